"""What all tests share: property tests draw the same examples every time."""

from hypothesis import settings

pytest_plugins = ["cli_fixtures", "coordinator_fixtures", "lab_fixtures"]

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
