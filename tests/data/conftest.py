import pytest

from tests.data import labelled_case


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """Pattern or folder by kind; both hold the same images, to read only."""
    folder = tmp_path_factory.mktemp("images")
    return {
        "records": labelled_case.write_records(folder),
        "folders": labelled_case.write_folders(folder / "folders"),
    }
