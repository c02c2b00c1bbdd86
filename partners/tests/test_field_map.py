"""The names of our fields in a partner's JSON: which maps are valid, and that what one writes it can also read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.vendors import Misread
from partners.field_map import (
    ANSWER,
    EVENT,
    FIELDS,
    REQUEST,
    WORDS,
    FieldMap,
    find_faults,
    keep_differing,
    list_paths,
)

OURS = FieldMap({})
CAMPUS: dict[str, dict[str, Any]] = {
    "request": {"courseId": "course.code", "email": "student.mail", "learnerId": ""},
    "answer": {"id": "number", "status": "state"},
    "event": {"event": "type", "enrollmentId": "content.number"},
    "words": {"statusCompleted": ["done", "passed"], "eventCompleted": ["enrollment.done"]},
}


def faults_of(given: Any) -> set[tuple[str, str]]:
    return {(fault.field, fault.code) for fault in find_faults(given)}


_names = st.text(alphabet="abcXYZ019_-$@", min_size=1, max_size=8)
_paths = st.lists(_names, min_size=1, max_size=5).map(".".join)


@st.composite
def maps(draw: Any) -> dict[str, dict[str, str]]:
    """Draw maps of all fields of one part, valid ones and others."""
    part = draw(st.sampled_from([REQUEST, ANSWER, EVENT]))
    mine = [field for field in FIELDS if field.part == part]
    return {part: {field.name: draw(_paths | st.just("")) for field in mine}}


class TestAMap:
    def test_of_nothing_has_our_names(self) -> None:
        assert OURS.whole()["request"] == {
            "courseId": "course_id",
            "reference": "reference",
            "learnerId": "learner.id",
            "email": "learner.email",
            "firstName": "learner.first_name",
            "lastName": "learner.last_name",
        }
        assert find_faults({}) == []
        assert find_faults(OURS.whole()) == []
        assert keep_differing(OURS.whole()) == {}

    def test_writes_at_the_places_of_the_partner_and_leaves_out_what_it_does_not_want(self) -> None:
        values = {"courseId": "algebra", "reference": "r", "learnerId": "c1", "email": "j@s.test", "firstName": "J"}

        assert FieldMap(CAMPUS).write(REQUEST, values) == {
            "course": {"code": "algebra"},
            "reference": "r",
            "student": {"mail": "j@s.test"},
            "learner": {"first_name": "J"},
        }

    @given(maps())
    def test_that_holds_reads_what_it_has_written(self, given: dict[str, dict[str, str]]) -> None:
        ((part, paths),) = given.items()
        if find_faults(given):
            return
        fields = FieldMap(keep_differing(given))
        values = {name: f"value of {name}" for name in paths}

        body = fields.write(part, values)

        assert {name: fields.read(part, name, body) for name in paths} == {
            name: value if paths[name] else None for name, value in values.items()
        }

    def test_that_does_not_hold_would_lose_what_it_has_written(self) -> None:
        """This is why shared paths are rejected."""
        shared = {"request": {"email": "learner.id"}}

        assert FieldMap(shared).write(REQUEST, {"learnerId": "c1", "email": "j@s.test"}) == {
            "learner": {"id": "j@s.test"}
        }
        assert faults_of(shared) == {("request.email", "shared")}

    def test_says_which_field_is_missing_and_where(self) -> None:
        with pytest.raises(Misread, match=r"^content\.number is missing, where we read enrollmentId$"):
            FieldMap(CAMPUS).need(EVENT, "enrollmentId", {"type": "x", "content": {"no": 7}})

    @pytest.mark.parametrize("body", [None, [], "number", 7, {"content": []}, {"content": {"number": None}}])
    def test_finds_nothing_where_nothing_is(self, body: object) -> None:
        assert FieldMap(CAMPUS).read(EVENT, "enrollmentId", body) is None


class TestWords:
    def test_of_a_partner_stand_for_ours(self) -> None:
        fields = FieldMap(CAMPUS)

        assert [fields.status(told) for told in ("done", "passed", "withdrawn", "running")] == [
            "completed",
            "completed",
            "withdrawn",
            "active",
        ]
        assert fields.kind("enrollment.done") == "course.completed"
        assert fields.kind("module.done") == "module.done"

    def test_of_ours_mean_nothing_from_a_partner_that_has_others(self) -> None:
        fields = FieldMap(CAMPUS)

        assert fields.status("completed") == "active"
        assert fields.kind("course.completed") == "course.completed (theirs)"

    def test_have_an_old_name_for_progress(self) -> None:
        assert OURS.kind("course.progress") == "progress.updated"


class TestAFault:
    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            ([], ("", "invalid")),
            ("map", ("", "invalid")),
            ({"answers": {}}, ("answers", "unknown")),
            ({7: {}}, ("7", "unknown")),
            ({"answer": []}, ("answer", "invalid")),
            ({"answer": {"launchURL": "x"}}, ("answer.launchURL", "unknown")),
            ({"answer": {"id": ""}}, ("answer.id", "required")),
            ({"answer": {"launchUrl": None}}, ("answer.launchUrl", "invalid")),
            ({"answer": {"launchUrl": 7}}, ("answer.launchUrl", "invalid")),
            ({"answer": {"launchUrl": {"a": {"b": {}}}}}, ("answer.launchUrl", "invalid")),
            ({"answer": {"launchUrl": "a..b"}}, ("answer.launchUrl", "invalid")),
            ({"answer": {"launchUrl": ".a"}}, ("answer.launchUrl", "invalid")),
            ({"answer": {"launchUrl": "a b"}}, ("answer.launchUrl", "invalid")),
            ({"answer": {"launchUrl": "a\n"}}, ("answer.launchUrl", "invalid")),
            ({"answer": {"launchUrl": "a.b.c.d.e.f"}}, ("answer.launchUrl", "invalid")),
            ({"answer": {"launchUrl": "x" * 61}}, ("answer.launchUrl", "invalid")),
            ({"answer": {"launchUrl": "ü"}}, ("answer.launchUrl", "invalid")),
            ({"lookup": {"parameter": "a&b"}}, ("lookup.parameter", "invalid")),
            ({"lookup": {"parameter": ""}}, ("lookup.parameter", "required")),
            ({"answer": {"launchUrl": "certificate"}}, ("answer.launchUrl", "shared")),
            ({"answer": {"launchUrl": "id.url"}}, ("answer.launchUrl", "shared")),
            ({"event": {"progress": "event"}}, ("event.progress", "shared")),
            ({"words": {"eventCompleted": []}}, ("words.eventCompleted", "required")),
            ({"words": {"eventCompleted": "done"}}, ("words.eventCompleted", "invalid")),
            ({"words": {"eventCompleted": ["d"] * 11}}, ("words.eventCompleted", "invalid")),
            ({"words": {"eventCompleted": [7]}}, ("words.eventCompleted[0]", "invalid")),
            ({"words": {"eventCompleted": ["a", ""]}}, ("words.eventCompleted[1]", "invalid")),
            ({"words": {"eventCompleted": ["a,b"]}}, ("words.eventCompleted[0]", "invalid")),
            ({"words": {"eventCompleted": ["a\u200b"]}}, ("words.eventCompleted[0]", "invalid")),
            ({"words": {"eventCompleted": ["progress.updated"]}}, ("words.eventCompleted", "shared")),
            ({"words": {"statusCompleted": ["done", "done"]}}, ("words.statusCompleted", "shared")),
            ({"words": {"eventDeleted": ["a"]}}, ("words.eventDeleted", "unknown")),
        ],
        ids=str,
    )
    def test_is_named_by_its_place(self, given: Any, fault: tuple[str, str]) -> None:
        assert fault in faults_of(given)

    @pytest.mark.parametrize(
        "given",
        [
            CAMPUS,
            {"lookup": {"parameter": "filter[ref]", "list": "", "enrollment": "data"}},
            {"answer": {"certificateId": "", "certificateNumber": "", "downloadUrl": "certificate"}},
            {"answer": {"id": "reference", "reference": "id"}},
            {"words": {"statusWithdrawn": [], "statusCompleted": ["2"]}, WORDS: {}},
        ],
        ids=str,
    )
    def test_is_not_found_where_there_is_none(self, given: Any) -> None:
        assert find_faults(given) == []


class TestPaths:
    def test_of_a_message_are_listed_without_what_stands_there(self) -> None:
        body = {"type": "x", "content": {"number": 7, "who": {"mail": "j@s.test"}}, "two words": 1, "list": [1, 2]}

        assert list_paths(body, at_most=40) == ["type", "content.number", "content.who.mail", "list"]
        assert list_paths(body, at_most=1) == ["type"]
