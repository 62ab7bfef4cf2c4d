"""Every example is decided as it says: alone, among others, by both decoders."""

import numpy as np
import pytest

from mailsla.schemas.codec.columnar import decode_batch, micros
from mailsla.schemas.codec.columns import arrow_schema
from mailsla.schemas.codec.records import Rejection, decode_calendar, decode_contract, decode_event
from mailsla.schemas.envelope import Event
from mailsla.schemas.export.examples import BROKER_TIME, invalid, valid
from mailsla.schemas.registry import EVENT_TYPES
from mailsla.schemas.results import RESULT_MODELS

BROKER_US = micros(BROKER_TIME)


def batch(topic, values):
    return decode_batch(topic, values, np.full(len(values), BROKER_US, dtype=np.int64))


def row(topic, event):
    """An accepted event as the batch table shows it: fields of other types are null."""
    fields = dict.fromkeys(arrow_schema(topic).names)
    return fields | event.model_dump()


@pytest.mark.parametrize("topic", EVENT_TYPES)
def test_every_event_type_has_a_minimal_and_a_full_valid_example(topic):
    events = [decode_event(topic, example.value, BROKER_TIME) for example in valid(topic)]
    for type_name, model in EVENT_TYPES[topic].items():
        own = [event for event in events if isinstance(event, model)]
        assert len(own) >= 2, type_name
        required = {name for name, field in model.model_fields.items() if field.is_required()}
        assert any(set(event.model_fields_set) == required for event in own), type_name
        assert any(
            all(getattr(event, name) is not None for name in model.model_fields) for event in own
        ), type_name


@pytest.mark.parametrize("topic", EVENT_TYPES)
def test_the_reference_accepts_the_valid_and_refuses_the_invalid_with_its_field(topic):
    for example in valid(topic):
        assert isinstance(decode_event(topic, example.value, BROKER_TIME), Event), example.why
    for case in invalid(topic):
        outcome = decode_event(topic, case.value, BROKER_TIME)
        assert isinstance(outcome, Rejection), case.why
        assert outcome.field == case.field, (case.why, outcome)
        assert case.reason in outcome.reason, (case.why, outcome)


@pytest.mark.parametrize("topic", EVENT_TYPES)
def test_every_reason_names_a_remedy_in_one_short_sentence(topic):
    for case in invalid(topic):
        outcome = decode_event(topic, case.value, BROKER_TIME)
        complaint, _, remedy = outcome.reason.partition("; ")
        assert complaint and remedy, (case.why, outcome.reason)
        assert "\n" not in outcome.reason
        assert len(outcome.reason) < 400
        assert "(?:" not in outcome.reason, "a regular expression is no remedy"


@pytest.mark.parametrize("topic", EVENT_TYPES)
def test_a_batch_of_one_decides_like_the_reference(topic):
    for example in valid(topic):
        decoded = batch(topic, [example.value])
        assert decoded.rows.tolist() == [0], example.why
        expected = row(topic, decode_event(topic, example.value, BROKER_TIME))
        assert decoded.table.to_pylist() == [expected], example.why
    for case in invalid(topic):
        decoded = batch(topic, [case.value])
        assert decoded.table.num_rows == 0, case.why
        assert dict(decoded.rejections) == {0: decode_event(topic, case.value, BROKER_TIME)}, (
            case.why
        )


@pytest.mark.parametrize("topic", EVENT_TYPES)
def test_an_invalid_record_at_any_position_changes_nothing_for_its_neighbours(topic):
    good = [example.value for example in valid(topic)[:2]]
    expected = batch(topic, good).table
    assert expected.num_rows == 2
    for turn, case in enumerate(invalid(topic)):
        about_bytes = not case.why.startswith(tuple(EVENT_TYPES[topic]))
        for position in range(3) if about_bytes else [turn % 3]:
            decoded = batch(topic, [*good[:position], case.value, *good[position:]])
            assert decoded.rows.tolist() == [i for i in range(3) if i != position], case.why
            assert decoded.table.equals(expected), case.why
            assert list(decoded.rejections) == [position], case.why


@pytest.mark.parametrize("topic", EVENT_TYPES)
def test_all_examples_together_keep_their_places(topic):
    values = [None]
    for pair in zip(invalid(topic), valid(topic) * 40, strict=False):
        values += [record.value for record in pair]
    decoded = batch(topic, values)
    outcomes = {
        i: decode_event(topic, v, BROKER_TIME) for i, v in enumerate(values) if v is not None
    }
    accepted = {i: event for i, event in outcomes.items() if isinstance(event, Event)}
    assert decoded.tombstones == 1
    assert decoded.rows.tolist() == list(accepted)
    assert decoded.table.to_pylist() == [row(topic, event) for event in accepted.values()]
    assert dict(decoded.rejections) == {i: o for i, o in outcomes.items() if i not in accepted}


@pytest.mark.parametrize("topic", RESULT_MODELS)
def test_result_examples_are_accepted_and_refused(topic):
    model = RESULT_MODELS[topic]
    assert len(valid(topic)) >= 2
    for example in valid(topic):
        again = model.model_validate_json(example.value).model_dump_json().encode()
        assert model.model_validate_json(again) == model.model_validate_json(example.value)
    for case in invalid(topic):
        with pytest.raises(ValueError) as refused:
            model.model_validate_json(case.value)
        first = refused.value.errors()[0]
        assert ".".join(map(str, first["loc"])) == case.field, case.why


@pytest.mark.parametrize(
    ("topic", "decode"), [("sla.contracts", decode_contract), ("sla.calendars", decode_calendar)]
)
def test_contract_and_calendar_examples_are_accepted_and_refused(topic, decode):
    for example in valid(topic):
        assert not isinstance(decode(example.value), Rejection), example.why
    for case in invalid(topic):
        outcome = decode(case.value)
        assert isinstance(outcome, Rejection), case.why
        assert (outcome.field, case.reason in outcome.reason) == (case.field, True), outcome
