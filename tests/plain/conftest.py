import pytest

from desk import Desk


@pytest.fixture
def sit_down(tmp_path):
    """Makes desks, and clears them away."""
    desks = []

    def sit(files, steps):
        desks.append(Desk(tmp_path / f"desk{len(desks)}", files, steps))
        return desks[-1]

    yield sit
    for desk in desks:
        desk.leave()
