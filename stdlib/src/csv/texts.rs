//! Fields to columns of texts and bytes.

use super::encoding::Encoding;
use super::fields::{Field, Fields, Nulls};
use crate::json::encode::offset;
use crate::json::shape::Shape;
use arrow_array::{ArrayRef, BinaryArray, StringArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dsl::ty::Ty;
use std::sync::Arc;

/// Bytes that are copied at once, wanted or not.
const WINDOW: usize = 32;

impl Fields<'_> {
    /// Texts keep their blanks; the null text is null where it stands without quotes.
    pub(super) fn texts(&mut self, shape: &Shape, column: usize) -> ArrayRef {
        let formed = matches!(shape.ty, Ty::Literal(_) | Ty::Url | Ty::Uuid);
        let plain = if formed { None } else { self.plain_texts(shape, column) };
        plain.unwrap_or_else(|| self.checked_texts(shape, column))
    }

    /// Copies all fields, and then looks whether they are UTF-8 as they stand. `None` where they
    /// are not, or where one is null that may not be.
    fn plain_texts(&self, shape: &Shape, column: usize) -> Option<ArrayRef> {
        let mut bytes: Vec<u8> = Vec::with_capacity(self.size(column) + WINDOW);
        let mut ends = vec![0; self.len() + 1];
        let mut nulls = Nulls::new(self.len());
        let null = &self.options.null[..];
        for ((row, field), end) in self.column(column).enumerate().zip(&mut ends[1..]) {
            let is_null = field.len() == null.len() && !field.quoted && field.text() == null;
            if is_null && shape.nullable {
                nulls.set(row);
            } else if is_null && !null.is_empty() {
                return None;
            } else {
                copy(&mut bytes, field);
            }
            *end = bytes.len() as i32;
        }
        // The last end is the largest.
        offset(bytes.len());
        if self.options.encoding != Encoding::Utf8 && !bytes.is_ascii() {
            return None;
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        let texts = StringArray::try_new(offsets, bytes.into(), nulls.finish());
        Some(Arc::new(texts.ok()?))
    }

    /// The same, looking at each field.
    fn checked_texts(&mut self, shape: &Shape, column: usize) -> ArrayRef {
        let mut bytes: Vec<u8> = Vec::with_capacity(self.size(column));
        let mut ends = Vec::with_capacity(self.len() + 1);
        ends.push(0);
        let mut nulls = Nulls::new(self.len());
        let options = self.options;
        for (row, field) in self.column(column).enumerate() {
            let (text, start) = (field.text(), bytes.len());
            if text == options.null && (shape.nullable || !options.null.is_empty()) && !field.quoted
            {
                if shape.nullable {
                    nulls.set(row);
                } else {
                    self.unfit(shape, row, text, "means null");
                }
            } else if let Err(byte) = options.encoding.push(text, &mut bytes) {
                self.undecodable(shape, row, byte);
            }
            if !nulls.is_null(row) {
                self.check_form(shape, row, &mut bytes, start);
            }
            ends.push(offset(bytes.len()));
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        Arc::new(StringArray::new(offsets, bytes.into(), nulls.finish()))
    }

    /// A url, uuid or literal must look like one.
    fn check_form(&mut self, shape: &Shape, row: usize, bytes: &mut Vec<u8>, start: usize) {
        if !matches!(shape.ty, Ty::Literal(_) | Ty::Url | Ty::Uuid) {
            return;
        }
        let text = std::str::from_utf8(&bytes[start..]).unwrap_or_default();
        if !shape.takes(text) {
            let text = text.to_string();
            bytes.truncate(start);
            self.unfit(shape, row, text.as_bytes(), &format!("is not `{}`", shape.ty));
        }
    }

    /// Bytes are written as base64.
    pub(super) fn bytes(&mut self, shape: &Shape, column: usize) -> ArrayRef {
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        let mut nulls = Nulls::new(self.len());
        for (row, field) in self.column(column).enumerate() {
            let (text, start) = (field.text().trim_ascii(), bytes.len());
            if shape.nullable && text == self.options.null {
                nulls.set(row);
            } else if STANDARD.decode_vec(text, &mut bytes).is_err() {
                bytes.truncate(start);
                self.unfit(shape, row, text, "is not base64");
            }
            ends.push(offset(bytes.len()));
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        Arc::new(BinaryArray::new(offsets, bytes.into(), nulls.finish()))
    }
}

/// Appends a text: a short one in one step, with bytes behind it that are taken off again.
#[inline(always)]
fn copy(out: &mut Vec<u8>, field: Field<'_>) {
    let behind = field.source.get(field.start..).and_then(<[u8]>::first_chunk::<WINDOW>);
    match behind {
        Some(window) if field.len() <= WINDOW => {
            let len = out.len() + field.len();
            out.extend_from_slice(window);
            out.truncate(len);
        }
        _ => out.extend_from_slice(field.text()),
    }
}
