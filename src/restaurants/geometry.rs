//! Polygons: whether they are valid, and which points they contain. Pure, and exact.
//!
//! Coordinates are whole ten-millionths of a degree (about a centimetre), so that the side of a line is computed with
//! integers, and no rounding decides whether an address is in a zone. Zones are small compared with the earth, so edges
//! are straight lines in degrees.

use std::cmp::Ordering;

use crate::step_count;

/// A point: degrees east and north, in ten-millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Point {
    x: i64,
    y: i64,
}

const UNITS_A_DEGREE: f64 = 1e7;
const WESTERNMOST: i64 = 1_800_000_000;
const NORTHERNMOST: i64 = 900_000_000;

impl Point {
    /// From degrees; `None`: out of range.
    pub fn from_degrees(lng: f64, lat: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "checked against the map right after; not-a-number is 0")]
        let units = |degrees: f64| (degrees * UNITS_A_DEGREE).round() as i64;
        let point = Self { x: units(lng), y: units(lat) };
        let on_the_map =
            lng.is_finite() && lat.is_finite() && point.x.abs() <= WESTERNMOST && point.y.abs() <= NORTHERNMOST;
        on_the_map.then_some(point)
    }
}

/// The side of the line from `a` to `b` on which `c` is: 1 left, 0 on the line, −1 right.
fn turn(a: Point, b: Point, c: Point) -> i64 {
    let [abx, aby, acx, acy] = [b.x - a.x, b.y - a.y, c.x - a.x, c.y - a.y];
    // Within half the earth, as for points of one ring, the products and their difference fit into 64 bits; larger
    // distances are rare and take four times as long.
    let is_near = [abx, aby, acx, acy].iter().all(|distance| i32::try_from(*distance).is_ok());
    if is_near {
        return (abx * acy - aby * acx).signum();
    }
    let [abx, aby, acx, acy] = [abx, aby, acx, acy].map(i128::from);
    match (abx * acy).cmp(&(aby * acx)) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

/// The smaller and the larger of two numbers.
fn span(a: i64, b: i64) -> (i64, i64) {
    if a < b { (a, b) } else { (b, a) }
}

/// Whether the bounding boxes of two edges intersect: a quick check, because most edges are far apart.
fn boxes_meet((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    let (west, east) = span(a.x, b.x);
    let (south, north) = span(a.y, b.y);
    let ((west_other, east_other), (south_other, north_other)) = (span(c.x, d.x), span(c.y, d.y));
    west <= east_other && west_other <= east && south <= north_other && south_other <= north
}

/// Whether `p`, which is on the line through `a` and `b`, is between them.
fn between(a: Point, b: Point, p: Point) -> bool {
    (a.x.min(b.x)..=a.x.max(b.x)).contains(&p.x) && (a.y.min(b.y)..=a.y.max(b.y)).contains(&p.y)
}

/// Whether two edges have a common point, ends included. Rings are compared edge by edge, so cheap checks come first.
fn touch((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    if !boxes_meet((a, b), (c, d)) {
        return false;
    }
    let (ca, cb) = (turn(c, d, a), turn(c, d, b));
    if ca * cb > 0 {
        return false;
    }
    let (ac, ad) = (turn(a, b, c), turn(a, b, d));
    (ca * cb < 0 && ac * ad < 0)
        || (ca == 0 && between(c, d, a))
        || (cb == 0 && between(c, d, b))
        || (ac == 0 && between(a, b, c))
        || (ad == 0 && between(a, b, d))
}

/// The position of a point relative to a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Outside,
    OnTheEdge,
    Inside,
}

/// A closed line that does not cross or touch itself. The last point is the first one again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring(Vec<Point>);

/// An error in a polygon, with its ring and point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeometryFault {
    /// 0 is the outer ring, the others are holes.
    pub ring: usize,
    /// The point, or the start of the edge with the error.
    pub point: Option<usize>,
    /// What is wrong.
    pub message: String,
}

/// The most points of a ring, the closing one included.
pub const MAX_POINTS: usize = 500;
/// The fewest points of a ring: a closed triangle.
const MIN_POINTS: usize = 4;

impl Ring {
    /// From GeoJSON's pairs of longitude and latitude.
    fn read(pairs: &[[f64; 2]]) -> Result<Self, (Option<usize>, String)> {
        if !(MIN_POINTS..=MAX_POINTS).contains(&pairs.len()) {
            let message = format!("must have {MIN_POINTS} to {MAX_POINTS} points, the closing one included");
            return Err((None, message));
        }
        let read = |(index, [lng, lat]): (usize, &[f64; 2])| {
            let message = "must be [longitude, latitude] on the map: within ±180 and ±90";
            Point::from_degrees(*lng, *lat).ok_or((Some(index), message.to_owned()))
        };
        let points = pairs.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        if points.first() != points.last() {
            return Err((Some(points.len() - 1), "must be the first point again, to close the ring".into()));
        }
        // Programs that simplify or convert outlines write a point twice in a row: it is one.
        let mut indices: Vec<usize> = (0..points.len()).collect();
        indices.dedup_by_key(|index| points[*index]);
        let points: Vec<_> = indices.iter().map(|index| points[*index]).collect();
        if points.len() < MIN_POINTS {
            return Err((None, "must enclose an area: it has fewer than three different points".into()));
        }
        let (west, east) = points.iter().fold((i64::MAX, i64::MIN), |(west, east), p| (west.min(p.x), east.max(p.x)));
        if east - west > WESTERNMOST {
            return Err((None, "must not be wider than 180°; cut it at the antimeridian".into()));
        }
        let ring = Self(points);
        match ring.refuse_crossing() {
            Ok(()) => Ok(ring),
            Err((point, message)) => Err((point.map(|point| indices[point]), message)),
        }
    }

    fn edges(&self) -> impl Iterator<Item = (Point, Point)> {
        self.0.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Checks that edges have common points only at their shared ends.
    fn refuse_crossing(&self) -> Result<(), (Option<usize>, String)> {
        let edges: Vec<_> = self.edges().collect();
        let count = edges.len();
        for (index, &(a, b)) in edges.iter().enumerate() {
            let (_, c) = edges[(index + 1) % count];
            let turns_back = turn(a, b, c) == 0 && (between(a, b, c) || between(b, c, a));
            if turns_back {
                return Err((Some((index + 1) % count), "turns back on the edge before".into()));
            }
            let others = edges.iter().enumerate().skip(index + 2);
            // The last edge is followed by the first.
            let mut others = others.filter(|(other, _)| !(index == 0 && *other == count - 1));
            if let Some((other, _)) = others.find(|(_, edge)| touch((a, b), **edge)) {
                let message = format!("begins an edge that crosses or touches the one beginning at point {index}");
                return Err((Some(other), message));
            }
        }
        Ok(())
    }

    /// By the even-odd rule: counts how often a line to the east crosses the ring.
    fn side(&self, p: Point) -> Side {
        step_count::step(self.0.len());
        let mut inside = false;
        for (a, b) in self.edges() {
            let turn = turn(a, b, p);
            if turn == 0 && between(a, b, p) {
                return Side::OnTheEdge;
            }
            if (a.y > p.y) != (b.y > p.y) && (turn > 0) == (b.y > a.y) {
                inside = !inside;
            }
        }
        if inside { Side::Inside } else { Side::Outside }
    }

    /// Whether two rings have a common point. Only edges of the other ring that reach into this one's bounding box are
    /// checked.
    fn meets(&self, other: &Self) -> bool {
        let corners = |ring: &Self| {
            let bounds = |of: fn(&Point) -> i64| {
                ring.0.iter().map(of).fold((i64::MAX, i64::MIN), |(min, max), one| (min.min(one), max.max(one)))
            };
            let ((west, east), (south, north)) = (bounds(|point| point.x), bounds(|point| point.y));
            (Point { x: west, y: south }, Point { x: east, y: north })
        };
        let here = corners(self);
        let near: Vec<_> = other.edges().filter(|edge| boxes_meet(here, *edge)).collect();
        self.edges().any(|edge| near.iter().any(|other| touch(edge, *other)))
    }
}

/// An outer ring with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polygon {
    outer: Ring,
    holes: Vec<Ring>,
}

/// The most rings of a polygon.
pub const MAX_RINGS: usize = 10;
/// The most points of all rings of a polygon together, because every edge is compared with every other.
pub const MAX_POLYGON_POINTS: usize = 1_500;

impl Polygon {
    /// From GeoJSON's rings of longitude and latitude, the outer one first.
    ///
    /// # Errors
    /// The first error, with its ring and point.
    pub fn read(rings: &[Vec<[f64; 2]>]) -> Result<Self, GeometryFault> {
        if !(1..=MAX_RINGS).contains(&rings.len()) {
            let message = format!("must have 1 to {MAX_RINGS} rings, the outer one first");
            return Err(GeometryFault { ring: 0, point: None, message });
        }
        if rings.iter().map(Vec::len).sum::<usize>() > MAX_POLYGON_POINTS {
            let message = format!("must have at most {MAX_POLYGON_POINTS} points, those of its holes included");
            return Err(GeometryFault { ring: 0, point: None, message });
        }
        let read = |(index, pairs): (usize, &Vec<[f64; 2]>)| {
            Ring::read(pairs).map_err(|(point, message)| GeometryFault { ring: index, point, message })
        };
        let mut rings = rings.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        let holes = rings.split_off(1);
        let outer = rings.swap_remove(0);
        for (index, hole) in holes.iter().enumerate() {
            let fault = |message: &str| GeometryFault { ring: index + 1, point: None, message: message.to_owned() };
            if outer.meets(hole) || outer.side(hole.0[0]) != Side::Inside {
                return Err(fault("must be inside the outer ring without touching it"));
            }
            let apart = |other: &Ring| {
                !other.meets(hole) && other.side(hole.0[0]) == Side::Outside && hole.side(other.0[0]) == Side::Outside
            };
            if !holes[..index].iter().all(apart) {
                return Err(fault("must not touch another hole, nor be in one"));
            }
        }
        Ok(Self { outer, holes })
    }

    /// From the stored rings of a polygon, which are not checked again. `None`: they are not valid rings.
    pub fn from_stored(rings: &[Vec<[f64; 2]>]) -> Option<Self> {
        let ring = |pairs: &Vec<[f64; 2]>| {
            pairs.iter().map(|[lng, lat]| Point::from_degrees(*lng, *lat)).collect::<Option<Vec<_>>>().map(Ring)
        };
        let mut rings = rings.iter().map(ring).collect::<Option<Vec<_>>>()?.into_iter();
        Some(Self { outer: rings.next()?, holes: rings.collect() })
    }

    /// The number of points of all rings.
    pub fn points(&self) -> usize {
        self.outer.0.len() + self.holes.iter().map(|hole| hole.0.len()).sum::<usize>()
    }

    /// Whether it contains a point. All edges belong to it, also those of the holes.
    pub fn contains(&self, p: Point) -> bool {
        self.outer.side(p) != Side::Outside && self.holes.iter().all(|hole| hole.side(p) != Side::Inside)
    }
}
