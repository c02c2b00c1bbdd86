"""What the back office shows to whom besides a page's list and row, and how it answers nonsense."""

import json
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import ApiKey, Learner, Workspace
from billing.models import Payment
from enrollments.models import DistrictSeatAllocation, Enrollment, Program, ProgramInstance

from .small_demo import MINE, OTHERS, SignIn, url


class TestChoices:
    def test_autocomplete_finds_only_rows_of_my_workspaces(self, sign_in: SignIn) -> None:
        query: dict[str, Any] = {"app_label": "enrollments", "model_name": "programinstance", "field_name": "program"}

        found = sign_in("admin").get(reverse("admin:autocomplete"), query)

        names = {result["text"] for result in json.loads(found.content)["results"]}
        assert names == set(Program.objects.filter(workspace__slug=MINE).values_list("title", flat=True))

    def test_a_guessed_foreign_key_is_refused(self, sign_in: SignIn) -> None:
        foreign = Program.objects.filter(workspace__slug=OTHERS).first()
        mine = Workspace.objects.get(slug=MINE)
        assert foreign is not None
        before = ProgramInstance.objects.count()

        response = sign_in("admin").post(
            reverse("admin:enrollments_programinstance_add"),
            {"workspace": mine.pk, "program": foreign.pk, "name": "Sneaky", "review_mode": "automatic"},
        )

        assert response.status_code == 200
        assert list(response.context["adminform"].form.errors) == ["program"]
        assert ProgramInstance.objects.count() == before

    def test_a_superuser_can_not_mix_workspaces_either(self, sign_in: SignIn) -> None:
        foreign = Program.objects.filter(workspace__slug=OTHERS).first()
        assert foreign is not None

        response = sign_in("superuser").post(
            reverse("admin:enrollments_programinstance_add"),
            {
                "workspace": Workspace.objects.get(slug=MINE).pk,
                "program": foreign.pk,
                "name": "Mixed",
                "review_mode": "automatic",
            },
        )

        assert response.context["adminform"].form.errors == {"program": ["This belongs to another workspace."]}
        assert not ProgramInstance.objects.filter(name="Mixed").exists()

    def test_filters_offer_only_what_is_mine(self, sign_in: SignIn) -> None:
        page = sign_in("viewer").get(reverse("admin:enrollments_enrollment_changelist"))

        assert "Math Explorers" in page.content.decode()
        assert "Bootcamp" not in page.content.decode()

    def test_a_filter_by_a_guessed_id_finds_nothing(self, sign_in: SignIn) -> None:
        foreign = ProgramInstance.objects.filter(workspace__slug=OTHERS).first()
        assert foreign is not None

        page = sign_in("viewer").get(
            reverse("admin:enrollments_enrollment_changelist"), {"instance__id__exact": foreign.pk}
        )

        assert page.context["cl"].result_count == 0
        assert foreign.name not in page.content.decode()

    def test_the_command_search_finds_only_what_is_mine(self, sign_in: SignIn) -> None:
        of_the_demo = Learner.objects.filter(external_id__isnull=False)
        theirs = of_the_demo.filter(workspace__slug=OTHERS).first()
        mine = of_the_demo.filter(workspace__slug=MINE).first()
        assert theirs is not None
        assert mine is not None
        client = sign_in("viewer")

        found = client.get(reverse("admin:search"), {"s": mine.external_id, "extended": "1"})
        hidden = client.get(reverse("admin:search"), {"s": theirs.external_id, "extended": "1"})

        assert str(mine) in [result.title for result in found.context["results"]]
        assert hidden.context["results"].object_list == []


class TestPagesOfOneRow:
    @pytest.mark.parametrize("model", [Enrollment, Payment, DistrictSeatAllocation, Learner, ApiKey])
    def test_ask_a_bounded_number_of_queries(self, model: Any, sign_in: SignIn) -> None:
        client = sign_in("superuser")
        page = admin.site.get_model_admin(model)

        counts = []
        for row in model.objects.all()[:5]:
            with CaptureQueriesContext(connection) as queries:
                client.get(url(page, "change", row.pk))
            counts.append(len(queries))

        assert max(counts) <= 80

    def test_show_how_an_enrollment_came_to_be(self, sign_in: SignIn) -> None:
        payment = Payment.objects.filter(workspace__slug=MINE, status="paid", purpose="enrollment_decision").first()
        assert payment is not None
        enrollment = Enrollment.objects.get(decisions__checkout=payment.checkout)

        page = sign_in("viewer").get(reverse("admin:enrollments_enrollment_change", args=[enrollment.pk]))

        cards = {card.title: [str(row.title) for row in card.rows] for card in page.context["neighbor_cards"]}
        story = [str(line.happening.title) for line in page.context["story"].lines]
        changes = [title for title in story if title.startswith(f"{enrollment.instance}: ")]
        assert len(changes) == enrollment.transition_count + enrollment.decisions.count()
        assert f"Payment of {payment.money}" in story
        assert str(payment) in cards["Decisions and money"]
        assert str(payment.checkout) in cards["Decisions and money"]


NONSENSE = [
    {"q": "\x00"},
    {"q": "9" * 40},
    {"p": "nonsense"},
    {"p": "9" * 30},
    {"o": "99.-99.x"},
    {"workspace__id__exact": "nonsense"},
    {"workspace__id__exact": "9" * 40},
    {"created_at__year": "99999"},
    {"created_at__year": "0"},
    {"created_at__gte": "0001-01-01T00:00:00+14:00"},
    {"created_at__year": "nonsense"},
    {"created_at__day": "99"},
    {"learner__email__startswith": "a"},
    {"password__startswith": "pbkdf2"},
]


class TestNonsense:
    @pytest.mark.parametrize("query", NONSENSE, ids=str)
    @pytest.mark.parametrize(
        "name", ["enrollment", *[pytest.param(name, marks=pytest.mark.walk) for name in ("learner", "payment", "user")]]
    )
    def test_in_the_address_of_a_list_is_no_error_of_ours(
        self, name: str, query: dict[str, str], sign_in: SignIn
    ) -> None:
        (model_admin,) = [found for model, found in admin.site._registry.items() if model._meta.model_name == name]
        client = sign_in("owner")
        client.raise_request_exception = False

        response = client.get(url(model_admin, "changelist"), query)

        assert response.status_code < 500

    @pytest.mark.parametrize("object_id", ["0", "-1", "nonsense", "9" * 40, "%00", "1_2F2"])
    @pytest.mark.parametrize("view", ["change", "history", "delete"])
    def test_in_the_address_of_a_row_is_no_error_of_ours(self, view: str, object_id: str, sign_in: SignIn) -> None:
        client = sign_in("owner")
        client.raise_request_exception = False

        response = client.get(f"/admin/enrollments/enrollment/{object_id}/{view}/")

        assert response.status_code in (302, 403, 404)

    @pytest.mark.parametrize("object_id", ["0", "-1", "nonsense", "9" * 40, "%00"])
    def test_in_the_address_of_a_button_is_no_error_of_ours(self, object_id: str, sign_in: SignIn) -> None:
        client = sign_in("owner")
        client.raise_request_exception = False

        response = client.post(f"/admin/enrollments/enrollment/{object_id}/approve/")

        assert response.status_code == 404

    @pytest.mark.parametrize("term", ["9" * 40, "%", "\ud7ff"])
    def test_in_a_search_is_no_error_of_ours(self, term: str, sign_in: SignIn) -> None:
        client = sign_in("admin")
        client.raise_request_exception = False
        query: dict[str, Any] = {
            "app_label": "enrollments",
            "model_name": "programinstance",
            "field_name": "program",
            "term": term,
        }

        answers = [
            client.get(reverse("admin:autocomplete"), query),
            client.get(reverse("admin:search"), {"s": term, "extended": "1"}),
        ]

        assert [answer.status_code for answer in answers] == [200, 200]

    def test_in_a_choice_that_can_not_be_typed_is_refused(self, sign_in: SignIn) -> None:
        before = Learner.objects.count()

        answer = sign_in("superuser").post(reverse("admin:accounts_learner_add"), {"guardianships-0-guardian": "x"})

        assert answer.status_code == 400
        assert Learner.objects.count() == before

    def test_in_the_hidden_fields_of_a_form_is_refused(self, sign_in: SignIn) -> None:
        program = Program.objects.filter(workspace__slug=MINE, steps__isnull=False).first()
        assert program is not None
        before = list(program.steps.order_by("pk").values())
        client = sign_in("superuser")
        client.raise_request_exception = False
        form = {"title": program.title, "code": program.code, "active": "on"}
        form |= {"steps-TOTAL_FORMS": "1", "steps-INITIAL_FORMS": "-1"}
        step = {"steps-0-label": "Again", "steps-0-title": "Again", "steps-0-order": str(before[0]["order"])}

        answer = client.post(reverse("admin:enrollments_program_change", args=[program.pk]), form | step)

        assert (answer.status_code, answer["Location"]) == (302, answer.wsgi_request.get_full_path())
        assert list(program.steps.order_by("pk").values()) == before
