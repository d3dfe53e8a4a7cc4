//! A series: what was counted in each hour, one after the other by the clock of its place.

/// Hours of a week.
pub const WEEK: usize = 168;

/// What was counted, hour by hour.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Series {
    /// The hour of the week of the first value: 0 is Monday, midnight to one.
    pub begins: usize,
    /// What was counted; none: nobody saw it, or it is not to be learnt from.
    pub values: Vec<Option<f64>>,
}

impl Series {
    /// The hour of the week of a value.
    pub fn hour_of_week(&self, at: usize) -> usize {
        (self.begins + at) % WEEK
    }
}
