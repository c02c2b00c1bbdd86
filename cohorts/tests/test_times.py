"""How dates and times are written on the pages."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from cohorts.models import ClassSession, Cohort
from cohorts.templatetags.times import hours, meets, moment, term, weekly

NEW_YORK = ZoneInfo("America/New_York")
TOKYO = ZoneInfo("Asia/Tokyo")


def session(start: dt.time, end: dt.time) -> ClassSession:
    """Return a session on Tuesday, October 6, 2026, New York time."""
    day = dt.date(2026, 10, 6)
    begins, ends = (dt.datetime.combine(day, time, NEW_YORK).astimezone(dt.UTC) for time in (start, end))
    return ClassSession(date=day, starts_at=begins, ends_at=ends)


class TestASession:
    @pytest.mark.parametrize(
        ("start", "end", "written"),
        [
            (dt.time(17), dt.time(18, 30), "5:00 to 6:30 PM EDT"),
            (dt.time(9, 5), dt.time(10), "9:05 to 10:00 AM EDT"),
            (dt.time(11), dt.time(12, 30), "11:00 AM to 12:30 PM EDT"),
            (dt.time(0), dt.time(1), "12:00 to 1:00 AM EDT"),
        ],
    )
    def test_names_the_half_of_the_day_once_if_it_is_one(self, start: dt.time, end: dt.time, written: str) -> None:
        with timezone.override(NEW_YORK):
            assert hours(session(start, end)) == written

    def test_is_written_with_its_day_in_the_zone_of_the_reader(self) -> None:
        evening = session(dt.time(20), dt.time(21))

        with timezone.override(TOKYO):
            assert meets(evening) == (
                '<time datetime="2026-10-07T09:00:00+09:00">Wednesday, October 7</time>, '
                '<span class="hours">9:00 to 10:00 AM JST</span>'
            )

    @pytest.mark.parametrize(
        ("zone", "written"),
        [
            ("America/New_York", "Tuesdays, 5:00 to 6:30 PM, New York time"),
            ("America/Argentina/Buenos_Aires", "Tuesdays, 6:00 to 7:30 PM, Buenos Aires time"),
            ("UTC", "Tuesdays, 9:00 to 10:30 PM, UTC"),
        ],
    )
    def test_of_every_week_names_the_zone_and_no_offset(self, zone: str, written: str) -> None:
        assert weekly(session(dt.time(17), dt.time(18, 30)), zone) == written

    def test_in_a_zone_without_letters_of_its_own_names_the_offset(self) -> None:
        with timezone.override(ZoneInfo("America/Sao_Paulo")):
            assert hours(session(dt.time(17), dt.time(18, 30))) == "6:00 to 7:30 PM UTC-03:00"

    def test_that_was_written_once_is_written_anew_in_another_language_or_zone_and_for_another_home(self) -> None:
        evening = session(dt.time(17), dt.time(18, 30))
        readers = [("en", NEW_YORK, ""), ("es", NEW_YORK, ""), ("en", TOKYO, ""), ("en", TOKYO, "America/New_York")]
        written = []
        for language, zone, home in readers * 2:
            with translation.override(language), timezone.override(zone):
                written.append(meets(evening, home))

        assert len(set(written)) == 4, written
        assert written[:4] == written[4:]


class TestATerm:
    @pytest.mark.parametrize(
        ("first", "last", "written"),
        [
            (dt.date(2026, 10, 6), dt.date(2026, 12, 1), "Oct 6 to Dec 1, 2026"),
            (dt.date(2026, 10, 6), dt.date(2027, 1, 5), "Oct 6, 2026 to Jan 5, 2027"),
        ],
    )
    def test_names_both_years_if_there_are_two(self, first: dt.date, last: dt.date, written: str) -> None:
        assert plain(term(Cohort(start_date=first, end_date=last))) == written


class TestAMoment:
    def test_breaks_between_day_and_time_only(self) -> None:
        at = dt.datetime(2026, 10, 6, 21, tzinfo=dt.UTC)

        with timezone.override(NEW_YORK):
            assert plain(moment(at)) == "Oct 6, 2026, 5:00 PM EDT"
            assert moment(at).split(" ") == [
                "Oct\N{NO-BREAK SPACE}6,\N{NO-BREAK SPACE}2026,",
                "5:00\N{NO-BREAK SPACE}PM\N{NO-BREAK SPACE}EDT",
            ]


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")
