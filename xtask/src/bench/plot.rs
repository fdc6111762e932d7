//! The plot: the phases of an ADD, the ratios, and the growth.

use super::growth::Curve;
use super::row::Row;
use super::rows::Phases;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
/// The start of the bars, and the length of the longest.
const LEFT: f64 = 330.0;
const LONGEST: f64 = 360.0;
const LINE: f64 = 20.0;
const OURS: &str = "#2a6f97";
const OTHER: &str = "#c9a227";

/// SVG 1.1.
pub fn svg(rows: &[Row], phases: &Phases, curves: &[Curve]) -> String {
    let mut body = String::new();
    let mut y = LINE;
    title(&mut body, &mut y, "Phases of an ADD, µs");
    let most = phases.iter().map(|(_, us)| *us).fold(1.0, f64::max);
    for (phase, us) in phases {
        bar(&mut body, &mut y, phase, us / most, OURS, &format!("{us:.0}"));
    }
    title(&mut body, &mut y, "Ours as a part of what it is compared with (mark: target)");
    for row in rows.iter().filter(|row| row.other.is_some() && row.target.is_finite()) {
        let scale = 1.0 / row.ratio().max(row.target).max(1.0);
        let text = format!("{:.2}× (≤ {}×)", row.ratio(), row.target);
        let mark = LEFT + LONGEST * row.target * scale;
        let _ = writeln!(
            body,
            r#"<line x1="{mark:.1}" x2="{mark:.1}" y1="{:.1}" y2="{:.1}" stroke="black"/>"#,
            y - 13.0,
            y + 3.0
        );
        bar(&mut body, &mut y, &row.what, row.ratio() * scale, OURS, &text);
    }
    for curve in curves {
        title(&mut body, &mut y, &format!("ADD by {}, ms", curve.of));
        let most = curve.points.iter().map(|(_, ours, theirs)| ours.max(*theirs)).fold(0.1, f64::max);
        for (level, ours, theirs) in &curve.points {
            bar(&mut body, &mut y, &level.to_string(), ours / most, OURS, &format!("{ours:.1}"));
            bar(&mut body, &mut y, "Debian's", theirs / most, OTHER, &format!("{theirs:.1}"));
        }
    }
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y:.0}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
{body}</svg>
"#
    )
}

fn title(body: &mut String, y: &mut f64, text: &str) {
    *y += LINE / 2.0;
    let _ = writeln!(body, r#"<text x="10" y="{y:.1}" font-weight="bold">{text}</text>"#);
    *y += LINE;
}

fn bar(body: &mut String, y: &mut f64, label: &str, part: f64, colour: &str, text: &str) {
    let width = LONGEST * part;
    let _ = writeln!(
        body,
        r#"<text x="{:.1}" y="{y:.1}" text-anchor="end">{label}</text><rect x="{LEFT}" y="{:.1}" width="{width:.1}" height="13" fill="{colour}" fill-opacity="0.8"/><text x="{:.1}" y="{y:.1}">{text}</text>"#,
        LEFT - 6.0,
        *y - 11.0,
        LEFT + width + 5.0
    );
    *y += LINE;
}
