"""Help for people who write criteria: examples, each with what it checks. A test compiles them all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    expression: str
    meaning: str


EXAMPLES = (
    Example("address.country == 'US' && address.state in ['NY', 'NJ']", "lives in one of two states"),
    Example("address.postalCode.startsWith('10')", "lives where postal codes begin with 10"),
    Example("gradeLevel in ['3', '4', '5']", "is in grade 3, 4 or 5"),
    Example("metadata.birthDate <= '2020-09-01'", "was born on September 1, 2020, or before"),
    Example("has(metadata.income) && metadata.income <= 45000", "gave an income, of 45,000 at most"),
    Example("email.endsWith('@school.test')", "uses the school's address"),
    Example("manufacturerSlugs.exists(slug, slug in ['tesla', 'enphase'])", "has a device of one of two makers"),
    Example("serialNumber.matches('^[A-Z]{2}[0-9]{6}$')", "has a serial number of two letters and six digits"),
    Example(
        "!enrollments.exists(other, other.programCode == 'ROBOTS' && other.status == 'approved')",
        "is not accepted into another program already",
    ),
    Example("today <= '2026-12-31' || 'late' in tags", "asks in time, or is tagged as late"),
)
SAMPLE = """{
  "address": {"city": "New York", "state": "NY", "postalCode": "10001", "country": "US"},
  "gradeLevel": "4",
  "email": "jane@school.test",
  "tags": [],
  "metadata": {"birthDate": "2016-05-01"}
}"""
