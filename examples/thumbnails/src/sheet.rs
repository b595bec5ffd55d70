//! The contact sheet: a row for each image, a column for each size.

use image::{DynamicImage, Rgba, RgbaImage, imageops};

/// Around the thumbnails and between them, in pixels.
const MARGIN: u32 = 16;
const PAPER: Rgba<u8> = Rgba([38, 40, 46, 255]);

pub(crate) fn of<const SIZES: usize>(rows: &[[DynamicImage; SIZES]]) -> DynamicImage {
    let columns = std::array::from_fn::<u32, SIZES, _>(|column| {
        rows.iter().map(|row| row[column].width()).max().unwrap_or(0)
    });
    let heights = rows.iter().map(|row| row.iter().map(DynamicImage::height).max().unwrap_or(0));
    let with_margins = |length: u32| length + MARGIN;
    let width = MARGIN + columns.into_iter().map(with_margins).sum::<u32>();
    let height = MARGIN + heights.clone().map(with_margins).sum::<u32>();

    let mut sheet = RgbaImage::from_pixel(width, height, PAPER);
    let mut y = MARGIN;
    for (row, height) in rows.iter().zip(heights) {
        let mut x = MARGIN;
        for (thumbnail, column) in row.iter().zip(columns) {
            imageops::overlay(&mut sheet, &thumbnail.to_rgba8(), x.into(), y.into());
            x += with_margins(column);
        }
        y += with_margins(height);
    }
    // nothing of the sheet is transparent
    DynamicImage::from(sheet).into_rgb8().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Rgba<u8> = Rgba([200, 0, 0, 255]);
    const CLEAR: Rgba<u8> = Rgba([0, 0, 0, 0]);

    fn filled(width: u32, height: u32, colour: Rgba<u8>) -> DynamicImage {
        RgbaImage::from_pixel(width, height, colour).into()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_and_rows_as_high_as_their_highest() {
        let sheet =
            of(&[[filled(40, 20, RED), filled(10, 5, RED)], [filled(20, 60, RED), filled(12, 30, CLEAR)]]);
        assert_eq!((sheet.width(), sheet.height()), (16 + 40 + 16 + 12 + 16, 16 + 20 + 16 + 60 + 16));

        let sheet = sheet.into_rgba8();
        for corner in [(16, 16), (72, 16), (81, 20), (16, 52), (35, 111)] {
            assert_eq!(*sheet.get_pixel(corner.0, corner.1), RED, "{corner:?}");
        }
        for paper in [(0, 0), (56, 16), (82, 16), (36, 52), (72, 52)] {
            assert_eq!(*sheet.get_pixel(paper.0, paper.1), PAPER, "{paper:?}");
        }
    }

    #[test]
    fn a_sheet_of_nothing_is_its_margin() {
        let sheet = of::<3>(&[]);
        assert_eq!((sheet.width(), sheet.height()), (64, 16));
    }
}
