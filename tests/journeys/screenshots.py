"""`python -m tests.journeys.screenshots`: take pictures of the main pages for the README, into docs/images."""

from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

from tests.chromium import ARGUMENTS, CHROMIUM
from tests.journeys.test_courses_buying import choose, go_to_payment, pay
from tests.stack import ROOT, RunningStack

from .stripe_page import press

IMAGES = ROOT / "docs" / "images"
PARENT = "ann.doe@families.example"


def enroll(stack: RunningStack, key: str, *, first_name: str, **context: object) -> dict[str, str]:
    answer = httpx.post(
        f"{stack.url}/api/enroll",
        headers={"Authorization": f"Bearer {key}"},
        json={
            "learner_profile": {"email": PARENT, "first_name": first_name, "last_name": "Doe"},
            "context": {"guardian_id": "guardian_456", **context},
        },
        timeout=30,
        trust_env=False,
    )
    answer.raise_for_status()
    result: dict[str, str] = answer.json()
    return result


def sign_in(page: Page, stack: RunningStack) -> None:
    page.goto("/my/enrollments")
    page.get_by_label("Email").fill(PARENT)
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_label("Code").fill(stack.sign_in_code(to=PARENT))
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="My enrollments").wait_for()
    page.reload()  # without the greeting


def take(page: Page, stack: RunningStack, name: str) -> None:
    town = stack.call("tests.journeys.town:build")
    save = {"animations": "disabled", "scale": "css"}
    page.goto("/")
    page.screenshot(path=IMAGES / f"home-{name}.png", **save)  # type: ignore[arg-type]
    asked = enroll(stack, town["key"], first_name="Jane")
    page.goto(asked["checkout_url"])
    press(page, email=PARENT)
    page.screenshot(path=IMAGES / f"enrolled-{name}.png", **save)  # type: ignore[arg-type]
    enroll(stack, town["key"], first_name="Leo", tenant_id=7)
    enroll(stack, town["key"], first_name="Mia")
    sign_in(page, stack)
    page.screenshot(path=IMAGES / f"my-enrollments-{name}.png", full_page=True, **save)  # type: ignore[arg-type]
    take_courses(page, stack, name)


def take_courses(page: Page, stack: RunningStack, name: str) -> None:
    """Take a course, the wizard after paying for it, and the dashboard it leads to."""
    save = {"animations": "disabled", "scale": "css"}
    cohorts = stack.call("tests.journeys.courses:build")
    page.goto("/courses/ROBOTS")
    page.screenshot(path=IMAGES / f"course-{name}.png", **save)  # type: ignore[arg-type]
    page.goto(f"/courses/ROBOTS/cohorts/{cohorts['ROBOTS']['Evenings']}/enroll")
    go_to_payment(page, "Jane")
    pay(page)
    choose(page, "Week 2", "Thursday lab")
    choose(page, "Week 3", "Tuesday lab")
    page.screenshot(path=IMAGES / f"wizard-{name}.png", full_page=True, **save)  # type: ignore[arg-type]
    page.get_by_role("button", name="Confirm").click()
    stack.call("tests.journeys.courses:attend_all_kickoffs")
    page.reload()
    page.get_by_text("All steps").click()
    page.screenshot(path=IMAGES / f"my-course-{name}.png", full_page=True, **save)  # type: ignore[arg-type]


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    looks = {"desktop": ((1280, 860), "light"), "phone": ((390, 844), "dark")}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, ((width, height), scheme) in looks.items():
            with RunningStack() as stack:
                context = browser.new_context(
                    base_url=stack.url,
                    viewport={"width": width, "height": height},
                    timezone_id="America/Chicago",
                    color_scheme=scheme,  # type: ignore[arg-type]
                )
                take(context.new_page(), stack, name)
                context.close()
        browser.close()
    for picture in sorted(Path(IMAGES).glob("*.png")):
        print(picture.relative_to(ROOT))


if __name__ == "__main__":
    main()
