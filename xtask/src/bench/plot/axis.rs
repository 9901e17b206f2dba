/// Where values lie along an axis, and which of them are written there.
pub struct Axis {
    pub label: String,
    logarithmic: bool,
    first: f64,
    last: f64,
    pub ticks: Vec<Tick>,
}

/// A value with a line across the panel, and what is written there.
pub struct Tick {
    pub value: f64,
    pub text: String,
}

impl Axis {
    /// Powers of two around some values.
    pub fn powers_of_two(label: &str, values: &[f64]) -> Self {
        let (least, most) = range(values);
        let (first, last) = (least.log2().floor() as i32, most.log2().ceil() as i32);
        let ticks = (first..=last.max(first + 1)).map(|power| tick(2_f64.powi(power))).collect();
        Self::between_ticks(label, true, ticks)
    }

    /// Powers of ten around some values, and twice and five times these.
    pub fn one_two_five(label: &str, values: &[f64]) -> Self {
        let (least, most) = range(values);
        let decades = least.log10().floor() as i32..=most.log10().ceil() as i32;
        let all: Vec<f64> =
            decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|n| n * 10_f64.powi(decade))).collect();
        let first = all.iter().rposition(|&value| value <= least).unwrap_or(0);
        let last = all.iter().position(|&value| value >= most && value > all[first]);
        let ticks = &all[first..=last.unwrap_or(all.len() - 1)];
        Self::between_ticks(label, true, ticks.iter().copied().map(tick).collect())
    }

    /// From zero in steps of one, two or five of a power of ten.
    pub fn from_zero(label: &str, values: &[f64]) -> Self {
        const MOST_STEPS: f64 = 8.0;
        let (_, most) = range(values);
        let decade = 10_f64.powf((most / MOST_STEPS).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|n| n * decade);
        let step = steps.into_iter().find(|step| step * MOST_STEPS >= most).unwrap_or(most);
        let count = (most / step).ceil() as usize;
        let ticks = (0..=count.max(1)).map(|n| tick(n as f64 * step)).collect();
        Self::between_ticks(label, false, ticks)
    }

    /// Names, at 0 and whole numbers after it.
    pub fn named(label: &str, names: impl Iterator<Item = String>) -> Self {
        let ticks: Vec<Tick> =
            names.enumerate().map(|(n, text)| Tick { value: n as f64, text }).collect();
        let last = ticks.len() as f64 - 1.0;
        Self { label: label.to_owned(), logarithmic: false, first: -0.3, last: last + 0.3, ticks }
    }

    fn between_ticks(label: &str, logarithmic: bool, ticks: Vec<Tick>) -> Self {
        let at = |tick: Option<&Tick>| tick.map_or(1.0, |tick| tick.value);
        let (first, last) = (at(ticks.first()), at(ticks.last()));
        Self { label: label.to_owned(), logarithmic, first, last, ticks }
    }

    /// 0 at the start of the axis, 1 at its end.
    pub fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.ln() } else { value };
        (scale(value) - scale(self.first)) / (scale(self.last) - scale(self.first))
    }

    /// The values at its start and its end.
    pub fn ends(&self) -> (f64, f64) {
        (self.first, self.last)
    }
}

fn range(values: &[f64]) -> (f64, f64) {
    let both = |(least, most): (f64, f64), &value: &f64| (value.min(least), value.max(most));
    values.iter().fold((f64::INFINITY, 0.0), both)
}

/// A number, which is short: 1024 is 1k and 1048576 is 1M.
fn tick(value: f64) -> Tick {
    let whole = |unit: f64| value >= unit && value % unit == 0.0;
    let text = match value {
        _ if whole(1_048_576.0) => format!("{}M", value / 1_048_576.0),
        _ if whole(1024.0) => format!("{}k", value / 1024.0),
        _ if value >= 1.0 => format!("{value}"),
        _ => format!("{}", (value * 1e6).round() / 1e6),
    };
    Tick { value, text }
}

#[cfg(test)]
mod tests {
    use super::Axis;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.text.as_str()).collect()
    }

    #[test]
    fn ticks_enclose_the_values() {
        let axis = Axis::powers_of_two("", &[3000.0, 16_384.0]);
        assert_eq!(texts(&axis), ["2k", "4k", "8k", "16k"]);
        assert_eq!([2048.0, 16_384.0].map(|value| axis.place(value)), [0.0, 1.0]);
        let axis = Axis::one_two_five("", &[0.4, 11.0]);
        assert_eq!(texts(&axis), ["0.2", "0.5", "1", "2", "5", "10", "20"]);
        let axis = Axis::from_zero("", &[0.0, 640.0]);
        assert_eq!(texts(&axis), ["0", "100", "200", "300", "400", "500", "600", "700"]);
    }
}
