"""The batches of an epoch: what seed, epoch and process decide."""

import threading
from itertools import chain

import pytest
import torch
from torch import Tensor

from siaga.errors import DataError
from siaga.models.feed import Batch, Feed, single
from siaga.schema import Augmentation, Training

CPU = torch.device("cpu")


def feed(count: int = 50, *, seed: int = 1, world: int = 1, labels: Tensor | None = None, **settings: object) -> Feed:
    """Batches of posts whose only input is their number."""
    chosen = Training.model_validate({"batch_size": 8, **settings})
    given = torch.arange(count) % 3 if labels is None else labels
    return Feed(torch.arange(len(given)).float()[:, None], given, chosen, seed=seed, device=CPU, world=world)


def rows(batches: list[Batch]) -> list[list[int]]:
    return [batch.rows.tolist() for batch in batches]


def test_a_batch_holds_the_inputs_and_labels_of_its_rows() -> None:
    for batch in feed().batches(1):
        assert single(batch.inputs)[:, 0].tolist() == batch.rows.tolist()
        assert batch.labels.tolist() == [row % 3 for row in batch.rows.tolist()]
        assert batch.weight == 1.0


def test_every_epoch_has_an_order_of_its_own_that_the_seed_decides() -> None:
    orders = {}
    for seed in (1, 2):
        for epoch in (1, 2, 3, -1):
            order = rows(list(feed(seed=seed).batches(epoch)))
            assert sorted(chain.from_iterable(order)) == list(range(50))
            assert order == rows(list(feed(seed=seed).batches(epoch)))
            orders[seed, epoch] = str(order)
    assert len(set(orders.values())) == 8


@pytest.mark.parametrize(
    ("count", "sizes"), [(16, [8, 8]), (17, [8, 9]), (18, [8, 8, 2]), (8, [8]), (9, [9]), (2, [2])]
)
def test_a_last_batch_of_one_joins_the_one_before_it(count: int, sizes: list[int]) -> None:
    found = feed(count)
    assert [len(batch.rows) for batch in found.batches(1)] == sizes
    assert len(found) == len(sizes)


def test_an_epoch_is_resumed_at_any_batch_as_if_it_had_never_stopped() -> None:
    def randoms(start: int) -> list[float]:
        return [float(torch.rand(())) for _ in feed().batches(3, start=start)]

    whole, noise = rows(list(feed().batches(3))), randoms(0)
    for start in range(len(whole) + 1):
        assert rows(list(feed().batches(3, start=start))) == whole[start:]
        assert randoms(start) == noise[start:]
    assert len(set(noise)) == len(whole)


def test_the_random_state_of_a_batch_depends_on_seed_epoch_batch_and_process() -> None:
    def draws(*, seed: int = 1, epoch: int = 1, shard: int | None = None) -> list[float]:
        return [float(torch.rand(())) for _ in feed(seed=seed, world=2).batches(epoch, shard=shard)]

    rivals = [draws(), draws(seed=2), draws(epoch=2), draws(shard=1)]
    assert len(set(chain.from_iterable(rivals))) == 4 * len(draws())
    assert draws(shard=0) == draws()


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("count", [50, 51, 49])
def test_the_shards_of_a_batch_are_disjoint_and_cover_it(world: int, count: int) -> None:
    whole = rows(list(feed(count, world=world).batches(2)))
    shards = [list(feed(count, world=world).batches(2, shard=rank)) for rank in range(world)]
    for number, batch in enumerate(whole):
        parts = [shard[number] for shard in shards]
        assert sorted(chain.from_iterable(rows(parts))) == sorted(batch)
        assert min(len(part.rows) for part in parts) >= 2
        assert [part.weight for part in parts] == [len(part.rows) * world / len(batch) for part in parts]
        assert sum(part.weight for part in parts) == pytest.approx(world)


def test_batches_that_leave_a_process_without_posts_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"Batches of 8 posts are too few for 5 processes.*raise model\.training\.batch"
    ):
        feed(world=5)
    with pytest.raises(DataError, match="Batches of 7 posts are too few for 4 processes"):
        feed(7, world=4)
    assert len(feed(8, world=4)) == 1


def test_balanced_batches_draw_all_classes_equally_often() -> None:
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    drawn = torch.cat([batch.labels for batch in feed(labels=labels, balanced=True).batches(1)])
    assert len(drawn) == 1000
    for count in torch.bincount(drawn).tolist():
        assert count == pytest.approx(333, abs=50)


def test_a_class_that_has_no_post_is_never_drawn() -> None:
    drawn = torch.cat([batch.labels for batch in feed(labels=torch.tensor([0, 2] * 20), balanced=True).batches(1)])
    assert set(drawn.tolist()) == {0, 2}


class Counted:
    """Inputs that note when they are made, and in which thread."""

    def __init__(self, count: int) -> None:
        self.made: list[list[int]] = []
        self.threads: set[int] = set()
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, wanted: Tensor, /) -> Tensor:
        self.made.append(wanted.tolist())
        self.threads.add(threading.get_ident())
        if 13 in wanted.tolist() and self._count == 14:
            raise ValueError("unlucky")
        return wanted.float()[:, None]


def lazy(count: int, *, batch_size: int = 8) -> tuple[Feed, Counted]:
    counted = Counted(count)
    labels = torch.zeros(count, dtype=torch.int64)
    return Feed(counted, labels, Training(batch_size=batch_size), seed=1, device=CPU), counted


@pytest.mark.parametrize("count", [2, 8, 10, 20, 50])
def test_inputs_that_are_made_come_in_order_from_another_thread(count: int) -> None:
    made, counted = lazy(count)
    batches = list(made.batches(2))
    assert all(single(batch.inputs)[:, 0].tolist() == batch.rows.tolist() for batch in batches)
    assert counted.made == rows(batches)
    assert len(counted.made) == len(made)
    assert counted.threads.isdisjoint({threading.get_ident()})


def test_only_a_few_batches_are_made_ahead_and_none_again() -> None:
    made, counted = lazy(80)
    batches = made.batches(1)
    for number in range(1, 6):
        next(batches)
        assert len(counted.made) <= number + 2
    batches.close()  # type: ignore[attr-defined]  # It is a generator.
    assert len(counted.made) <= 7


def test_a_fault_in_another_thread_is_raised_where_its_batch_is_wanted() -> None:
    made, counted = lazy(14, batch_size=2)
    order = [row for batch in rows(list(lazy(16, batch_size=2)[0].batches(1))) for row in batch]
    assert sorted(order) == list(range(16))
    seen: list[int] = []
    with pytest.raises(ValueError, match="unlucky"):
        seen.extend(chain.from_iterable(batch.rows.tolist() for batch in made.batches(1)))
    assert 13 in chain.from_iterable(counted.made)
    assert 13 not in seen


def test_waiting_for_data_is_counted() -> None:
    made, _ = lazy(40)
    assert made.waited_s == 0
    list(made.batches(1))
    assert made.waited_s > 0


def test_pictures_are_changed_anew_in_every_epoch_and_the_same_when_it_is_repeated() -> None:
    pictures = torch.randint(0, 256, (12, 1, 6, 6), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    settings = Training(batch_size=12, augmentation=Augmentation(rotate=40))
    changed = Feed(pictures, torch.zeros(12, dtype=torch.int64), settings, seed=1, device=CPU)

    def learned(epoch: int) -> Tensor:
        batch = next(changed.batches(epoch))
        return single(batch.inputs)[batch.rows.argsort()]

    assert changed.augments
    assert torch.equal(learned(1), learned(1))
    assert not torch.equal(learned(1), learned(2))
    assert not feed().augments
    assert single(next(changed.batches(1)).inputs).is_contiguous(memory_format=torch.channels_last)
