"""Which records need no second thought."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evercache.core.course import holds
from evercache.core.protocol import Looked
from evercache.core.record import Record

SCHEMA = b"schema-1"
RECORD = Record(b"fill", b"n1/", b"b1", (b"t1", b"t2"), (b"s1/", b"s2/"), schema=SCHEMA)
LOOKED = Looked(RECORD, b"n1/", b"b1", (b"s1/", b"s2/"))
ASKED = (b"t1", b"t2")


def test_a_record_with_the_very_stamps_that_were_asked_for_holds():
    assert holds(LOOKED, ASKED, SCHEMA)


@pytest.mark.parametrize(
    "looked",
    [
        LOOKED._replace(record=None),
        LOOKED._replace(namespace=None),
        LOOKED._replace(namespace=b"n2/"),
        LOOKED._replace(ban=None),
        LOOKED._replace(ban=b"b2"),
        LOOKED._replace(stamps=(b"s1/", None)),
        LOOKED._replace(stamps=(b"s1/", b"s2/soft")),
        LOOKED._replace(record=replace(RECORD, schema=b"schema-2")),
        LOOKED._replace(record=replace(RECORD, tags=(b"t2", b"t1"), stamps=(b"s1/", b"s2/"))),
        LOOKED._replace(record=replace(RECORD, tags=(b"t1", b"t2", b"t3"), stamps=(b"s1/", b"s2/", b"s3/"))),
    ],
)
def test_anything_else_is_for_a_course_to_judge(looked):
    assert not holds(looked, ASKED, SCHEMA)
