//! Image files.

use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{DynamicImage, ImageError, ImageFormat, ImageReader};
use serde::{Deserialize, Serialize};

/// An image file that was looked at. What travels between the steps is this, and never the pixels.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Picture {
    path: PathBuf,
    /// In pixels.
    width: u32,
    /// In pixels.
    height: u32,
}

/// Names the file; the source says what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: ImageError },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: ImageError },
}

impl Picture {
    /// Reads the size of the image in this file, and none of its pixels.
    pub(crate) fn probe(path: PathBuf) -> Result<Self, PictureError> {
        match open(&path).and_then(ImageReader::into_dimensions) {
            Ok((width, height)) => Ok(Self { path, width, height }),
            Err(source) => Err(PictureError::Read { path, source }),
        }
    }

    /// Writes the image into `folder` as a PNG, `width` pixels wide or as wide as it is, and returns the new file.
    pub(crate) fn resize(self, width: u32, folder: &Path) -> Result<PathBuf, PictureError> {
        let name = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let to = folder.join(format!("{name}-{width}.png"));
        // the original's height is no bound for something smaller, so the width decides
        let small = read(self.path)?.resize(width.min(self.width), self.height, FilterType::Lanczos3);
        write(&small, &to)?;
        Ok(to)
    }
}

/// Reads a whole image.
pub(crate) fn read(path: PathBuf) -> Result<DynamicImage, PictureError> {
    open(&path).and_then(ImageReader::decode).map_err(|source| PictureError::Read { path, source })
}

/// Writes a PNG, and makes its folder if there is none.
pub(crate) fn write(image: &DynamicImage, to: &Path) -> Result<(), PictureError> {
    let made = to.parent().map_or(Ok(()), fs::create_dir_all).map_err(ImageError::from);
    made.and_then(|()| image.save_with_format(to, ImageFormat::Png))
        .map_err(|source| PictureError::Write { path: to.to_owned(), source })
}

/// The file's content says what format it has, whatever its name is.
fn open(path: &Path) -> Result<ImageReader<std::io::BufReader<fs::File>>, ImageError> {
    Ok(ImageReader::open(path)?.with_guessed_format()?)
}
