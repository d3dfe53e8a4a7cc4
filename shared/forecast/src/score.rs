//! How good a prediction was, and how good saying "as last time" would have been.
