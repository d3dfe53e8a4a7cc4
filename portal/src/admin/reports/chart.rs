//! What a chart shows, whoever draws it: `charts.js` reads this as JSON.

use serde::Serialize;

/// How a chart is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::admin) enum Shape {
    Bars,
    /// Bars on top of each other.
    Stacked,
    Line,
    /// A line with its bands: the series are, in this order, the value, low 80, high 80, low 95, high 95, and what may follow (the baseline,
    /// what really was).
    Band,
    /// Weekdays by hours, from nothing to much.
    Heat,
    /// The same around zero: less than expected, more than expected.
    Diverging,
    Parts,
    /// Steps of a funnel, each with what is left.
    Funnel,
    /// Said against what was: points and the diagonal. The first series is what was said, the second what was, with its counts; of one
    /// series alone, `x` is what was said.
    Calibration,
}

/// A chart.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(in crate::admin) struct Chart {
    pub(in crate::admin) shape: Shape,
    /// What the numbers are.
    pub(in crate::admin) unit: String,
    /// What stands along it: days, hours, or names.
    pub(in crate::admin) x: Vec<String>,
    /// A line, a colour or a weekday each, with a number for each of `x`.
    pub(in crate::admin) series: Vec<Series>,
    /// Where colours end (the 98th percentile); none: at the greatest.
    pub(in crate::admin) cap: Option<f64>,
}

/// The numbers of one line, colour or weekday.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(in crate::admin) struct Series {
    pub(in crate::admin) name: String,
    /// None: there is no number, which is not a zero.
    pub(in crate::admin) values: Vec<Option<f64>>,
    /// How many cases a number stands for, where that matters (few are flagged); else empty.
    pub(in crate::admin) counts: Vec<u32>,
}
