"""What ``mailsla doctor`` says of producers that place records elsewhere."""

from kafka.partitioner.default import murmur2

from mailsla.streams.cli.support.doctor.placement import misplaced_finding


def place(tenant, source="mx", away=0, partitions=4):
    home = (murmur2(tenant.encode()) & 0x7FFFFFFF) % partitions
    return tenant, source, (home + away) % partitions


def test_a_record_in_the_partition_of_its_tenant_is_as_it_should_be():
    assert misplaced_finding([place("a"), place("b")], 4).state == "ok"
    assert misplaced_finding([], 4).state == "ok"
    assert misplaced_finding([place("a")], 0).state == "ok", "there are no topics yet"


def test_tenants_in_other_partitions_are_counted_and_their_sources_named():
    places = [place("a"), place("a", "vector", 1), place("b", "kcat", 3), place("c")]
    found = misplaced_finding(places, 4)
    assert found.state == "note"
    assert "records of 2 tenants" in found.detail
    assert "by kcat, vector;" in found.detail
