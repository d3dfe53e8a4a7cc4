//! Numbers drawn by lot from a seed, the same on every machine: SplitMix64 (Steele, Lea and Flood 2014), and what is made of it. For tests and
//! benches of what only looks at numbers; whatever must not be guessed is drawn elsewhere.

/// The state of the generator.
pub(crate) struct Lot(pub(crate) u64);

impl Lot {
    /// From 0 to below 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((self.uniform() * end as f64) as usize).min(end - 1)
    }

    /// The time until the next event, of which there are so many in a unit of time.
    pub(crate) fn until_next(&mut self, rate: f64) -> f64 {
        -(1.0 - self.uniform()).ln() / rate
    }

    /// The number of events, of which so many are expected.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 100.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (mut count, mut time) = (0.0, self.until_next(1.0));
        while time < mean {
            count += 1.0;
            time += self.until_next(1.0);
        }
        count
    }

    /// Mean 0, spread 1 (Box and Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Mean `shape`, variance `shape` (Marsaglia and Tsang 2000).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * self.uniform().powf(1.0 / shape);
        }
        let third = shape - 1.0 / 3.0;
        loop {
            let normal = self.normal();
            let cube = (1.0 + normal / (9.0 * third).sqrt()).powi(3);
            let log = (1.0 - self.uniform()).ln();
            if cube > 0.0 && log < normal * normal / 2.0 + third * (1.0 - cube + cube.ln()) {
                return third * cube;
            }
        }
    }

    /// A chance, with mean `a / (a + b)`.
    pub(crate) fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (first, second) = (self.gamma(a), self.gamma(b));
        first / (first + second)
    }

    /// So many things, each kept with the same chance.
    pub(crate) fn kept(&mut self, of: f64, chance: f64) -> f64 {
        (0..of as u64).filter(|_| self.uniform() < chance).count() as f64
    }
}
