"""Any photo through a trained image classifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from dla.core.artifacts import write_picture
from dla.core.errors import UserError
from dla.data.pixels import to_pixels
from dla.vision.maps.cam import activation_maps, rescale
from dla.vision.maps.drawing import blend
from dla.vision.maps.trained import Classifier


@dataclass(frozen=True)
class Prediction:
    """What a classifier makes of one photo."""

    file: Path
    photo: Image.Image
    inputs: torch.Tensor  # (1, C, H, W) normalised
    probabilities: tuple[tuple[str, float], ...]  # class and probability, the most probable first

    def write_map(self, classifier: Classifier, path: Path) -> None:
        """Write the photo, at its own resolution, under the map of evidence for its most probable class.

        Raises
        ------
        UserError
            If the model has no map of where it looks, or the file cannot be written.
        """
        predicted = classifier.classes.index(self.probabilities[0][0])
        maps = activation_maps(classifier.model, self.inputs, torch.tensor([predicted]))
        if maps[0].numel() == 1:
            raise UserError(
                f"{path}: the model's last feature map is one place, so there is no map of where it looks; "
                "take a model that `cam` in params.yaml names"
            )
        write_picture(path, blend(self.photo, rescale(maps)[0].numpy()))


def predict(classifier: Classifier, file: Path) -> Prediction:
    """Classify one photo: any size, colour, greyscale or with an alpha channel; its middle square is what counts.

    Raises
    ------
    UserError
        If there is no such file, or Pillow cannot read it.
    """
    photo = read_photo(file)
    channels, size, _ = classifier.input_shape
    try:
        pixels = to_pixels(photo, channels, size).copy()
    except ValueError as error:
        raise UserError(f"{file}: its colours ({photo.mode}) cannot be read ({error})") from None
    inputs = classifier.normalise(torch.from_numpy(pixels)[None])
    with torch.no_grad():
        probabilities = classifier.model(inputs).softmax(1)[0]
    order = probabilities.argsort(stable=True, descending=True).tolist()
    ranked = tuple((classifier.classes[i], float(probabilities[i])) for i in order)
    return Prediction(file, photo, inputs, ranked)


def read_photo(file: Path) -> Image.Image:
    """A photo as it was held: turned as its EXIF data say."""
    try:
        with Image.open(file) as photo:
            return ImageOps.exif_transpose(photo)
    except FileNotFoundError:
        raise UserError(f"{file}: there is no such file") from None
    except UnidentifiedImageError:
        raise UserError(f"{file}: is not a picture that Pillow can read") from None
    except Exception as error:  # Pillow's readers of forty formats raise whatever their arithmetic comes to
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(f"{file}: cannot be read ({reason})") from None
