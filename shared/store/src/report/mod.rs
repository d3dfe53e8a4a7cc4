//! What reports of the desk ask: a file a report. Each reads facts by the hour, the day and the month, and none of them the history itself.

pub mod map;
pub mod peak_hours;
