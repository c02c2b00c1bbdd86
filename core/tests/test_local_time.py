"""Local times and the moments they mean, for every zone there is."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from core.local_time import (
    FIRST_DAY,
    LAST_DAY,
    Clock,
    clock_duration,
    known_zones,
    local_date,
    meeting_on,
    to_instant,
    validate_timezone,
    wall_clock,
)

zones = st.sampled_from(sorted(known_zones()))
days = st.dates(min_value=FIRST_DAY, max_value=LAST_DAY)
# As people give them: to the minute.
times = st.times().map(lambda time: time.replace(second=0, microsecond=0, fold=0))


def utc(*numbers: int) -> dt.datetime:
    return dt.datetime(*numbers, tzinfo=dt.UTC)  # type: ignore[arg-type, misc]


class TestALocalTime:
    @pytest.mark.parametrize(
        ("zone", "date", "time", "moment", "shown"),
        [
            ("America/New_York", (2027, 3, 14), (2, 30), utc(2027, 3, 14, 7, 30), (2027, 3, 14, 3, 30)),
            ("Australia/Lord_Howe", (2026, 10, 4), (2, 15), utc(2026, 10, 3, 15, 45), (2026, 10, 4, 2, 45)),
            ("Africa/Cairo", (2026, 4, 24), (0, 10), utc(2026, 4, 23, 22, 10), (2026, 4, 24, 1, 10)),
            ("America/Sao_Paulo", (2018, 11, 4), (0, 0), utc(2018, 11, 4, 3), (2018, 11, 4, 1, 0)),
            ("Asia/Tehran", (2022, 3, 22), (0, 30), utc(2022, 3, 21, 21), (2022, 3, 22, 1, 30)),
            ("America/Nuuk", (2027, 3, 27), (23, 30), utc(2027, 3, 28, 1, 30), (2027, 3, 28, 0, 30)),
            ("Pacific/Apia", (2011, 12, 30), (10, 0), utc(2011, 12, 30, 20), (2011, 12, 31, 10, 0)),
        ],
    )
    def test_that_does_not_exist_moves_forward_by_the_gap(
        self, zone: str, date: tuple[int, int, int], time: tuple[int, int], moment: dt.datetime, shown: tuple[int, ...]
    ) -> None:
        instant = to_instant(date=dt.date(*date), time=dt.time(*time), zone=zone)

        assert (instant.at, instant.clock) == (moment, Clock.SKIPPED)
        assert wall_clock(instant.at, zone).timetuple()[:5] == shown
        assert "does not exist" in instant.note

    @pytest.mark.parametrize(
        ("zone", "date", "time", "moment"),
        [
            ("America/New_York", (2026, 11, 1), (1, 30), utc(2026, 11, 1, 5, 30)),
            ("Australia/Lord_Howe", (2027, 4, 4), (1, 45), utc(2027, 4, 3, 14, 45)),
            ("Africa/Casablanca", (2027, 2, 7), (2, 30), utc(2027, 2, 7, 1, 30)),
        ],
    )
    def test_that_occurs_twice_means_the_first(
        self, zone: str, date: tuple[int, int, int], time: tuple[int, int], moment: dt.datetime
    ) -> None:
        instant = to_instant(date=dt.date(*date), time=dt.time(*time), zone=zone)

        assert (instant.at, instant.clock) == (moment, Clock.REPEATED)
        assert "occurs twice" in instant.note

    def test_on_any_other_day_needs_no_note(self) -> None:
        instant = to_instant(date=dt.date(2026, 10, 6), time=dt.time(17), zone="America/Chicago")

        assert (instant.at, instant.clock, instant.note) == (utc(2026, 10, 6, 22), Clock.PLAIN, "")

    @pytest.mark.parametrize("date", [dt.date.min, dt.date.max])
    def test_at_the_ends_of_the_calendar_is_refused_in_words(self, date: dt.date) -> None:
        with pytest.raises(Invalid) as refusal:
            to_instant(date=date, time=dt.time(0), zone="Pacific/Kiritimati")

        assert [(fault.field, fault.detail) for fault in refusal.value.errors] == [
            ("date", "Give a date from 1900 to 2199.")
        ]

    @given(zones, days, times)
    def test_comes_back_from_its_moment_unless_the_clock_skips_it(
        self, zone: str, date: dt.date, time: dt.time
    ) -> None:
        instant = to_instant(date=date, time=time, zone=zone)

        shown, said = wall_clock(instant.at, zone), dt.datetime.combine(date, time)
        if instant.clock == Clock.SKIPPED:
            assert dt.timedelta(0) < shown - said <= dt.timedelta(days=1)
            assert wall_clock(instant.at - (shown - said), zone) < said
        else:
            assert shown == said
        if instant.clock == Clock.REPEATED:  # it was not shown before, so this is the first occurrence
            assert all(wall_clock(instant.at - dt.timedelta(minutes=ago), zone) != said for ago in (20, 30, 60, 120))


class TestAMeeting:
    @pytest.mark.parametrize("date", [dt.date(2027, 3, 14), dt.date(2026, 11, 1), dt.date(2026, 10, 6)])
    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (dt.time(1), dt.time(2)),
            (dt.time(2), dt.time(3)),
            (dt.time(1, 30), dt.time(2, 30)),
            (dt.time(23), dt.time(0)),
        ],
    )
    def test_lasts_an_hour_whatever_the_clock_does(self, date: dt.date, start: dt.time, end: dt.time) -> None:
        meeting = meeting_on(date=date, start=start, end=end, zone="America/New_York")

        assert meeting.ends_at - meeting.starts_at == dt.timedelta(hours=1)

    @given(zones, days, times, times)
    def test_lasts_as_long_in_every_zone_and_on_every_day(
        self, zone: str, date: dt.date, start: dt.time, end: dt.time
    ) -> None:
        meeting = meeting_on(date=date, start=start, end=end, zone=zone)

        assert meeting.ends_at - meeting.starts_at == clock_duration(start, end) > dt.timedelta(0)


class TestADay:
    @pytest.mark.parametrize(
        ("zone", "moment", "date"),
        [
            ("Pacific/Honolulu", utc(2026, 12, 31, 9, 59), dt.date(2026, 12, 30)),
            ("America/Chicago", utc(2027, 1, 1, 1), dt.date(2026, 12, 31)),
            ("Pacific/Kiritimati", utc(2026, 12, 31, 10), dt.date(2027, 1, 1)),
        ],
    )
    def test_is_that_of_the_place(self, zone: str, moment: dt.datetime, date: dt.date) -> None:
        assert local_date(moment, zone) == date


class TestAZone:
    @pytest.mark.parametrize("name", ["Mars/Olympus", "america/chicago", "", "localtime", "Factory", "../etc/passwd"])
    def test_is_one_of_the_database(self, name: str) -> None:
        with pytest.raises(ValidationError):
            validate_timezone(name)
