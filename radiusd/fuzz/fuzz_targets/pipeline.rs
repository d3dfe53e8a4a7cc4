//! The fuzz target `pipeline`: hands what libFuzzer makes to the body, which stable tests run over the corpus too.
#![no_main]

#[path = "../bodies/pipeline.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    body::run(data);
});
