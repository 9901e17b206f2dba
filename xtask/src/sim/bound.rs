use half::bf16;

/// How far apart two results of an approximate instruction may be: bounds of this project's own, of a few units in the last
/// place. The simulator's result is the exact one, rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    relative: f64,
    absolute: f64,
    element: Element,
}

/// What a word of a result holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Element {
    F32,
    /// Two of them.
    Bf16,
}

impl Bound {
    /// The bound of a form; none where every bit counts.
    pub fn of(code: &str) -> Option<Self> {
        let bound = |relative, absolute, element| Some(Self { relative, absolute, element });
        let is = |name: &str| code.trim_start().starts_with(name);
        if is("ex2.approx.ftz.bf16x2") {
            bound(1.5 * 2_f64.powi(-7), 0.0, Element::Bf16)
        } else if is("ex2.approx.ftz.f32") || is("ex2.approx.f32") {
            bound(1.5 * 2_f64.powi(-22), 0.0, Element::F32)
        } else if is("lg2.approx.f32") {
            // Absolute near 1, where the logarithm is near 0.
            bound(1.5 * 2_f64.powi(-22), 1.5 * 2_f64.powf(-22.6), Element::F32)
        } else if is("rsqrt.approx.f32") {
            bound(1.5 * 2_f64.powf(-22.9), 0.0, Element::F32)
        } else {
            None
        }
    }

    /// Whether two words hold the same but for that.
    pub fn holds(self, device: u32, simulator: u32) -> bool {
        let of = |word: u32| -> [f64; 2] {
            match self.element {
                Element::F32 => [f32::from_bits(word).into(), 0.0],
                Element::Bf16 => {
                    [word as u16, (word >> 16) as u16].map(|half| bf16::from_bits(half).to_f64())
                }
            }
        };
        of(device).into_iter().zip(of(simulator)).all(|(device, exact)| {
            let room = self.absolute.max(self.relative * exact.abs());
            // Infinities and NaN have to be the same.
            device == exact
                || device.is_nan() && exact.is_nan()
                || exact.is_finite() && (device - exact).abs() <= room
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Bound;

    #[test]
    fn last_bits_may_differ_of_what_is_approximate_alone() {
        let bound = Bound::of("rsqrt.approx.f32 d, a;").expect("approximate");
        let one = 1_f32.to_bits();
        assert!(bound.holds(one, one) && bound.holds(one + 1, one));
        assert!(!bound.holds(one + 2, one));
        assert!(!bound.holds(f32::INFINITY.to_bits(), f32::MAX.to_bits()));
        assert!(bound.holds(0x7fff_ffff, 0x7fc0_0000));
        assert_eq!(Bound::of("add.rn.f32 d, a, b;"), None);
    }

    #[test]
    fn each_half_of_a_word_counts() {
        let bound = Bound::of("ex2.approx.ftz.bf16x2 d, a;").expect("approximate");
        assert!(bound.holds(0x3f81_3f80, 0x3f80_3f80));
        assert!(!bound.holds(0x3f84_3f80, 0x3f80_3f80) && !bound.holds(0x3f80_3f84, 0x3f80_3f80));
    }
}
