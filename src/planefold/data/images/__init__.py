"""Pictures: folders, files and arrays of them, read into one array of whole numbers."""

from planefold.data.images.pictures import Pictures, PictureStore
from planefold.data.images.reading import read_pictures

__all__ = ["PictureStore", "Pictures", "read_pictures"]
