//! The outlines: what a box is can be seen without its colour.

use super::super::layout::{Point, Rect, short};
use super::super::model::Shape;
use crate::ast::ResourceKind;

/// The outline of a shape that fills a rectangle.
pub fn outline(shape: Shape, r: Rect, class: &str) -> String {
    match shape {
        Shape::Source => rounded(r, r.h.min(30.0) / 2.0, class),
        Shape::Transform => rounded(r, 4.0, class),
        Shape::Sink => hexagon(r, class),
        Shape::Resource(ResourceKind::Stream) => pipe(r, class),
        Shape::Resource(ResourceKind::Delivery) => parcel(r, class),
        Shape::Resource(ResourceKind::Bucket) => bucket(r, class),
        Shape::Resource(ResourceKind::Table) => cylinder(r, class),
        Shape::Resource(ResourceKind::Queue) => slots(r, class),
    }
}

/// Where the text of a shape has its middle.
pub fn text_center(shape: Shape, r: Rect) -> Point {
    let c = r.center();
    match shape {
        Shape::Resource(ResourceKind::Stream) => Point::new(c.x - 4.0, c.y),
        Shape::Resource(ResourceKind::Delivery) => Point::new(c.x - 3.0, c.y + 3.0),
        Shape::Resource(ResourceKind::Bucket | ResourceKind::Table) => Point::new(c.x, c.y + 4.0),
        _ => c,
    }
}

fn rounded(r: Rect, radius: f64, class: &str) -> String {
    format!(
        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
        short(r.x),
        short(r.y),
        short(r.w),
        short(r.h),
        short(radius),
    )
}

fn path(class: &str, d: String) -> String {
    format!("<path class=\"{class}\" d=\"{d}\"/>")
}

fn hexagon(r: Rect, class: &str) -> String {
    let (cut, middle) = (10.0, r.center().y);
    let points = [
        (r.x + cut, r.y),
        (r.right() - cut, r.y),
        (r.right(), middle),
        (r.right() - cut, r.bottom()),
        (r.x + cut, r.bottom()),
        (r.x, middle),
    ];
    let points: Vec<String> =
        points.iter().map(|(x, y)| format!("{} {}", short(*x), short(*y))).collect();
    path(class, format!("M{}Z", points.join("L")))
}

/// A cylinder on its side.
fn pipe(r: Rect, class: &str) -> String {
    let (rx, ry) = (7.0, r.h / 2.0);
    let arc = |sweep: u8| format!("A{} {} 0 0 {sweep} ", short(rx), short(ry));
    let (left, right) = (short(r.x + rx), short(r.right() - rx));
    let (top, bottom) = (short(r.y), short(r.bottom()));
    let body =
        format!("M{left} {top}H{right}{}{right} {bottom}H{left}{}{left} {top}Z", arc(1), arc(1),);
    let end = format!("M{right} {top}{}{right} {bottom}{}{right} {top}Z", arc(1), arc(1));
    path(class, body) + &path("shade", end)
}

fn cylinder(r: Rect, class: &str) -> String {
    let (rx, ry) = (r.w / 2.0, 6.0);
    let arc = |sweep: u8| format!("A{} {} 0 0 {sweep} ", short(rx), short(ry));
    let (left, right) = (short(r.x), short(r.right()));
    let (top, bottom) = (short(r.y + ry), short(r.bottom() - ry));
    let body = format!("M{left} {top}{}{right} {top}V{bottom}{}{left} {bottom}Z", arc(1), arc(1),);
    let lid = format!("M{left} {top}{}{right} {top}{}{left} {top}Z", arc(1), arc(1));
    path(class, body) + &path("shade", lid)
}

/// Wider above, with an open top.
fn bucket(r: Rect, class: &str) -> String {
    let (ry, cut) = (5.0, 10.0);
    let (left, right, top) = (short(r.x), short(r.right()), short(r.y + ry));
    let rim = format!("A{} {} 0 0 ", short(r.w / 2.0), short(ry));
    let foot = format!("A{} {} 0 0 ", short(r.w / 2.0 - cut), short(ry));
    let bottom = short(r.bottom() - ry);
    let body = format!(
        "M{left} {top}L{} {bottom}{foot}0 {} {bottom}L{right} {top}Z",
        short(r.x + cut),
        short(r.right() - cut),
    );
    let top = format!("M{left} {top}{rim}1 {right} {top}{rim}1 {left} {top}Z");
    path(class, body) + &path("shade", top)
}

/// A box with its top and its right side.
fn parcel(r: Rect, class: &str) -> String {
    let d = 7.0;
    let front = Rect { x: r.x, y: r.y + d, w: r.w - d, h: r.h - d };
    let (l, t, right, b) = (r.x, front.y, front.right(), r.bottom());
    let side = format!(
        "M{} {}L{} {}L{} {}L{} {}L{} {}L{} {}Z",
        short(l),
        short(t),
        short(l + d),
        short(r.y),
        short(r.right()),
        short(r.y),
        short(r.right()),
        short(b - d),
        short(right),
        short(b),
        short(right),
        short(t),
    );
    path("shade", side) + &rounded(front, 0.0, class)
}

/// A row of slots.
fn slots(r: Rect, class: &str) -> String {
    let line = |x: f64| path(class, format!("M{} {}V{}", short(x), short(r.y), short(r.bottom())));
    rounded(r, 3.0, class) + &line(r.right() - 7.0) + &line(r.right() - 14.0)
}
