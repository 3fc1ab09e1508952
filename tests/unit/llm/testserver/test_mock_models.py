"""Models on disk and in the catalogue; what their names mean."""

from __future__ import annotations

import random

import pytest

from kwdagger.llm.testserver.embeddings import vector
from kwdagger.llm.testserver.models import ModelStore, full_name, rfc3339
from kwdagger.llm.testserver.senders import random_packets


@pytest.mark.parametrize(
    ('name', 'full'),
    [('a', 'a:latest'), ('a:2b', 'a:2b'), ('h:80/a', 'h:80/a:latest'), ('h:80/a:b', 'h:80/a:b')],
)
def test_a_name_without_a_tag_means_latest(name, full):
    assert full_name(name) == full


def test_models_come_and_go_and_come_back():
    store = ModelStore(['a'], ['b'])
    assert store.find('a').name == store.find('a:latest').name == 'a:latest'
    assert store.find('b') is None
    assert [store.offers(name) for name in ('a', 'b', 'c')] == [True, True, False]
    store.add('b')
    assert [model.name for model in store] == ['a:latest', 'b:latest']
    assert (store.remove('a'), store.remove('a')) == (True, False)
    store.restore()
    assert [model.name for model in store] == ['a:latest']


def test_a_star_in_the_catalogue_is_any_model():
    assert ModelStore([], ['*']).offers('whatever:7b')


def test_a_model_is_the_same_every_time():
    first, again = (ModelStore(['a']).find('a') for _ in range(2))
    assert (first.digest, first.size) == (again.digest, again.size)
    assert len(first.digest) == 64


def test_moments_are_rfc_3339_with_a_fraction():
    assert rfc3339(0.25) == '1970-01-01T00:00:00.250000Z'


def test_vectors_have_length_one_and_depend_on_the_text():
    assert sum(x * x for x in vector('a')) == pytest.approx(1.0)
    assert vector('a') == vector('a') != vector('b')


@pytest.mark.parametrize('text', ['x', 'ab', 'größer', '🙂🙂', '{"response":"水曜日"}\n{"a":1}\n'])
def test_cut_packets_are_the_text_and_cut_a_wide_character(text):
    whole = text.encode()
    for seed in range(20):
        packets = random_packets(whole, random.Random(seed))
        assert b''.join(packets) == whole
        assert all(packets)
        cut_inside = any(packet[0] & 0xC0 == 0x80 for packet in packets[1:])
        assert cut_inside is (len(whole) > len(text))
