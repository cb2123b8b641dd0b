"""Batches: every picture once an epoch, the same for the same seed, normalised, changed only as asked."""

from __future__ import annotations

import pytest
import torch

from dla.vision.training.batches import Augmentation, Facts, ImageBatches, Split

FACTS = Facts(("a", "b"), "embedded", (0.5, 0.4, 0.3), (0.2, 0.2, 0.1))


def split(count: int = 21, size: int = 8) -> Split:
    """Pictures each of one grey that is its own number, labelled with it."""
    numbers = torch.arange(count)
    images = numbers[:, None, None, None].expand(count, 3, size, size).to(torch.uint8)
    return Split(images.contiguous(), numbers)


def greys(inputs: torch.Tensor) -> list[int]:
    """The numbers of the pictures, back from normalised inputs."""
    return [round(float((x[0, 4, 4] * 0.2 + 0.5) * 255)) for x in inputs]


def test_an_epoch_shows_every_picture_once_with_its_label() -> None:
    seen = []
    for inputs, labels in ImageBatches(split(), FACTS, batch_size=4, seed=1).epoch(1):
        assert greys(inputs) == labels.tolist()
        seen += labels.tolist()
    assert len(seen) == 20  # the 21st would be a batch of one picture, which batch norm cannot train on
    assert len(set(seen)) == 20


def test_evaluation_leaves_no_picture_out_and_keeps_the_order() -> None:
    labels = torch.cat([labels for _, labels in ImageBatches(split(), FACTS, batch_size=4).epoch(0)])
    assert labels.tolist() == list(range(21))


@pytest.mark.parametrize(("count", "seed"), [(20, 1), (21, 1), (22, 1), (21, None), (1, 1)])
def test_the_length_is_the_number_of_batches(count: int, seed: int | None) -> None:
    batches = ImageBatches(split(count), FACTS, batch_size=4, seed=seed)
    assert len(batches) == len(list(batches.epoch(1)))


def test_the_order_follows_from_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        batches = ImageBatches(split(), FACTS, batch_size=4, seed=seed)
        return torch.cat([labels for _, labels in batches.epoch(epoch)]).tolist()

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_inputs_have_mean_zero_and_deviation_one_under_the_statistics_of_the_data() -> None:
    images = torch.randint(256, (64, 3, 8, 8), dtype=torch.uint8)
    scaled = images.double() / 255
    facts = Facts(
        ("a",),
        "embedded",
        tuple(scaled.mean((0, 2, 3)).tolist()),
        tuple(scaled.std((0, 2, 3), correction=0).tolist()),
    )
    inputs, _ = next(ImageBatches(Split(images, torch.zeros(64, dtype=torch.int64)), facts, 64).epoch(0))
    torch.testing.assert_close(inputs.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_a_random_crop_is_a_shifted_window_of_the_padded_picture() -> None:
    images = torch.randint(1, 256, (200, 3, 8, 8), dtype=torch.uint8)
    cropped = Augmentation(crop_padding=2)(images, torch.zeros(200), torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images.float(), (2, 2, 2, 2), mode="reflect").byte()
    shifts = set()
    for picture, crop in zip(padded, cropped, strict=True):
        windows = [(y, x) for y in range(5) for x in range(5) if torch.equal(crop, picture[:, y : y + 8, x : x + 8])]
        assert len(windows) == 1
        shifts.add(windows[0])
    assert len(shifts) == 25


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_crop_may_reach_further_than_the_picture_is_wide(size: int) -> None:
    images = torch.randint(256, (20, 3, size, size), dtype=torch.uint8)
    cropped = Augmentation(crop_padding=64)(images, torch.zeros(20), torch.Generator().manual_seed(0))
    assert cropped.shape == images.shape
    for picture, crop in zip(images, cropped, strict=True):
        assert set(crop.flatten().tolist()) <= set(picture.flatten().tolist())


def test_flips_alternate_half_of_the_pictures_are_mirrored_in_odd_epochs_and_the_others_in_even_ones() -> None:
    images = torch.randint(256, (400, 3, 4, 4), dtype=torch.uint8)
    split = Split(images, torch.arange(400))
    plain, flipping = (
        ImageBatches(split, FACTS, 400, seed=1, augmentation=Augmentation(flip=f)) for f in (False, True)
    )

    def mirrored(epoch: int) -> set[int]:
        (before, labels), (after, again) = next(plain.epoch(epoch)), next(flipping.epoch(epoch))
        assert torch.equal(labels, again)
        turned = (before.flip(-1) == after).all(dim=(1, 2, 3))
        assert torch.equal(before[~turned], after[~turned])
        return set(labels[turned].tolist())

    assert 150 < len(mirrored(1)) < 250
    assert mirrored(1) == mirrored(3)
    assert mirrored(2) == set(range(400)) - mirrored(1)


def test_cutout_leaves_each_picture_without_one_square_anywhere_in_it() -> None:
    images = torch.randint(256, (400, 3, 5, 6), dtype=torch.uint8)
    split = Split(images, torch.zeros(400, dtype=torch.int64))
    (before, _), (after, _) = (
        next(ImageBatches(split, FACTS, 400, 1, Augmentation(cutout=side)).epoch(1)) for side in (0, 2)
    )
    places = set()
    for picture, cut in zip(before, after, strict=True):
        gone = (picture != cut).any(0)
        rows, columns = gone.any(1).nonzero().flatten().tolist(), gone.any(0).nonzero().flatten().tolist()
        assert rows == [rows[0], rows[0] + 1]
        assert columns == [columns[0], columns[0] + 1]
        assert (cut[:, rows[0] : rows[0] + 2, columns[0] : columns[0] + 2] == 0).all()
        assert torch.equal(cut[:, ~gone], picture[:, ~gone])
        places.add((rows[0], columns[0]))
    assert len(places) == 4 * 5


def test_an_epoch_changes_its_pictures_anew() -> None:
    images = torch.randint(256, (8, 3, 8, 8), dtype=torch.uint8)
    batches = ImageBatches(Split(images, torch.arange(8)), FACTS, 8, seed=1, augmentation=Augmentation(2, True))

    def first(epoch: int) -> torch.Tensor:
        inputs, labels = next(batches.epoch(epoch))
        return inputs[labels.argsort()]

    assert not torch.equal(first(1), first(2))
    assert torch.equal(first(1), first(1))
