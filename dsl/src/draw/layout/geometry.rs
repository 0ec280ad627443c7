//! Points, rectangles, and lines made of straight parts, curves and rounded corners.

use std::fmt;

/// A point; y grows downwards.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Point {
    /// The point at `x`, `y`.
    pub fn new(x: f64, y: f64) -> Point {
        Point { x, y }
    }

    /// Moved.
    pub fn shift(self, by: Point) -> Point {
        Point::new(self.x + by.x, self.y + by.y)
    }
}

impl Rect {
    /// Right.
    pub fn right(&self) -> f64 {
        self.x + self.w
    }

    /// Bottom.
    pub fn bottom(&self) -> f64 {
        self.y + self.h
    }

    /// Middle.
    pub fn center(&self) -> Point {
        Point::new(self.x + self.w / 2.0, self.y + self.h / 2.0)
    }

    /// Moved.
    pub fn shift(self, by: Point) -> Rect {
        Rect { x: self.x + by.x, y: self.y + by.y, ..self }
    }

    /// True when the two share some area.
    pub fn meets(&self, other: &Rect) -> bool {
        self.x < other.right()
            && other.x < self.right()
            && self.y < other.bottom()
            && other.y < self.bottom()
    }
}

/// A part of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seg {
    /// Straight.
    To(Point),
    /// A Bézier curve with two control points.
    Curve(Point, Point, Point),
    /// A quarter of a turn: the corner and the end.
    Turn(Point, Point),
}

/// The course of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Where it begins.
    pub start: Point,
    /// Its parts.
    pub segs: Vec<Seg>,
}

/// The radius of a corner.
const RADIUS: f64 = 8.0;

impl Path {
    /// A line that begins at a point.
    pub fn from(start: Point) -> Path {
        Path { start, segs: Vec::new() }
    }

    /// Where it ends.
    pub fn end(&self) -> Point {
        match self.segs.last() {
            None => self.start,
            Some(Seg::To(end) | Seg::Curve(_, _, end) | Seg::Turn(_, end)) => *end,
        }
    }

    /// Straight on.
    pub fn to(mut self, end: Point) -> Path {
        let at = self.end();
        if (at.x - end.x).abs() > 0.01 || (at.y - end.y).abs() > 0.01 {
            self.segs.push(Seg::To(end));
        }
        self
    }

    /// Straight down to a height.
    pub fn down(self, y: f64) -> Path {
        let x = self.end().x;
        self.to(Point::new(x, y))
    }

    /// Down to a point, in a curve that begins and ends upright.
    pub fn fall(mut self, end: Point) -> Path {
        let at = self.end();
        if (at.x - end.x).abs() < 0.75 {
            return self.to(end);
        }
        let middle = (at.y + end.y) / 2.0;
        self.segs.push(Seg::Curve(Point::new(at.x, middle), Point::new(end.x, middle), end));
        self
    }

    /// Through corners, rounded, to the last of the points; the parts between are level or upright.
    pub fn corners(mut self, points: &[Point]) -> Path {
        for (at, &corner) in points.iter().enumerate() {
            let Some(&next) = points.get(at + 1) else { return self.to(corner) };
            let from = self.end();
            let before = toward(corner, from);
            let after = toward(corner, next);
            self = self.to(before);
            self.segs.push(Seg::Turn(corner, after));
        }
        self
    }

    /// Moved.
    pub fn shift(mut self, by: Point) -> Path {
        self.start = self.start.shift(by);
        for seg in &mut self.segs {
            *seg = match *seg {
                Seg::To(end) => Seg::To(end.shift(by)),
                Seg::Curve(a, b, end) => Seg::Curve(a.shift(by), b.shift(by), end.shift(by)),
                Seg::Turn(corner, end) => Seg::Turn(corner.shift(by), end.shift(by)),
            };
        }
        self
    }

    /// Points along it, close to each other.
    pub fn points(&self) -> Vec<Point> {
        const STEPS: usize = 24;
        let mut at = self.start;
        let mut points = vec![at];
        for seg in &self.segs {
            let (a, b, end) = match *seg {
                Seg::To(end) => (at, end, end),
                Seg::Curve(a, b, end) => (a, b, end),
                Seg::Turn(corner, end) => (corner, corner, end),
            };
            for step in 1..=STEPS {
                let t = step as f64 / STEPS as f64;
                let u = 1.0 - t;
                let mix = |p: f64, q: f64, r: f64, s: f64| match seg {
                    Seg::To(_) => p * u + s * t,
                    _ => u * u * u * p + 3.0 * u * u * t * q + 3.0 * u * t * t * r + t * t * t * s,
                };
                points.push(Point::new(mix(at.x, a.x, b.x, end.x), mix(at.y, a.y, b.y, end.y)));
            }
            at = end;
        }
        points
    }
}

/// The point `RADIUS` away from a corner in the direction of another point, or half the way.
fn toward(corner: Point, other: Point) -> Point {
    let (dx, dy) = (other.x - corner.x, other.y - corner.y);
    let length = dx.abs().max(dy.abs());
    if length < 0.01 {
        return corner;
    }
    let step = RADIUS.min(length / 2.0) / length;
    Point::new(corner.x + dx * step, corner.y + dy * step)
}

/// As the `d` of an SVG path.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p = |point: Point| format!("{} {}", short(point.x), short(point.y));
        write!(f, "M{}", p(self.start))?;
        for seg in &self.segs {
            match *seg {
                Seg::To(end) => write!(f, "L{}", p(end))?,
                Seg::Curve(a, b, end) => write!(f, "C{} {} {}", p(a), p(b), p(end))?,
                Seg::Turn(corner, end) => write!(f, "Q{} {}", p(corner), p(end))?,
            }
        }
        Ok(())
    }
}

/// A length with one digit behind the point, where it has one.
pub fn short(length: f64) -> String {
    let text = format!("{length:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".into() } else { text.into() }
}
