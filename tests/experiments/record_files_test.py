import pytest
import tensorflow as tf

from axial_deeplab.experiments.record_files import check_records


def write(path, *records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def test_whole_files_pass(tmp_path):
    write(tmp_path / "a-0", b"one", b"two")
    write(tmp_path / "b-0", b"three")
    write(tmp_path / "b-1")
    check_records(f"{tmp_path}/a-*")
    check_records([f"{tmp_path}/a-*", f"{tmp_path}/b-1"])


def test_damaged_file_and_record_are_named(tmp_path):
    write(tmp_path / "a-0", b"one")
    path = write(tmp_path / "a-1", b"one", b"two", b"three")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # inside the third record
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path} is damaged: its record 2 "):
        check_records(f"{tmp_path}/a-*")


def test_no_record_at_all_is_named(tmp_path):
    write(tmp_path / "a-0")
    with pytest.raises(ValueError, match=f"{tmp_path}/a-., /none. holds no ex"):
        check_records([f"{tmp_path}/a-*", "/none*"])
