//! The constants of the kernels, for each floating-point format.
//!
//! The polynomials are minimax fits: weighted Remez exchange on a Chebyshev grid in 50-digit
//! arithmetic, coefficients rounded to the format one by one from the lowest order, the rest fitted
//! again after each (all at once for `exp` and `erf_large`). "Error" is the greatest one left after
//! rounding, as the named quantity's share. The script is `math/fit/fit.py`; `fit/consts.py` makes the exact constants
//! and `fit/table.py` the reference table of the tests.

/// A floating-point format: its layout, and the coefficients that fit its precision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// Bits in all.
    pub(crate) width: usize,
    /// Stored bits of the mantissa.
    pub(crate) mantissa: usize,
    /// What the exponent field holds for 1.
    pub(crate) bias: u64,
    /// The representation of the rounded sqrt(1/2).
    pub(crate) sqrt_half: u64,
    /// The least normal number.
    pub(crate) min_normal: f64,
    /// `2^(mantissa + 2)`: makes every denormal normal, exactly.
    pub(crate) lift: f64,
    /// log2 of `lift`.
    pub(crate) lift_log2: f64,
    /// `2^mantissa`: numbers from here on are integral, and have the unit as their last bit.
    pub(crate) integral: f64,
    /// `1.5 * 2^mantissa`: added to a small number it leaves its nearest integer in the last bits.
    pub(crate) magic: f64,
    /// `2^ceil((mantissa + 1) / 2) + 1`: splits a number into two halves of its bits.
    pub(crate) veltkamp: f64,
    /// Below this, `expm1(x)`, `log1p(x)` are `x`.
    pub(crate) tiny: f64,

    /// Where exp rounds to 0, and where it exceeds every number.
    pub(crate) exp_range: [f64; 2],
    /// Below this, expm1 is -1.
    pub(crate) expm1_least: f64,
    /// ln 2 in two words; the first leaves as many bits free as an exponent needs.
    pub(crate) ln_2: [f64; 2],
    /// `(e^r - 1 - r) / r^2` on `|r| <= ln(2)/2`.
    pub(crate) exp: &'static [f64],

    /// `(log((1+s)/(1-s)) - 2s) / s^3` in `s^2`, on `|s| <= 0.1716 = (sqrt(2)-1)/(sqrt(2)+1)`.
    pub(crate) log: &'static [f64],

    /// Angles above this need Payne and Hanek's reduction.
    pub(crate) far: f64,
    /// pi/2 in three words.
    pub(crate) half_pi: [f64; 3],
    /// `(sin(r) - r) / r^3` in `r^2`, on `|r| <= 0.8`.
    pub(crate) sin: &'static [f64],
    /// `(cos(r) - 1 + r^2/2) / r^4` in `r^2`, on `|r| <= 0.8`.
    pub(crate) cos: &'static [f64],

    /// From here on, tanh is 1.
    pub(crate) tanh_one: f64,
    /// Numerator of `(tanh(x) - x) / x^3` in `x^2`, on `|x| <= 0.625`.
    pub(crate) tanh_numerator: &'static [f64],
    /// Its denominator.
    pub(crate) tanh_denominator: &'static [f64],

    /// From here on, erf is 1.
    pub(crate) erf_one: f64,
    /// `erf(x)/x - 1` in `x^2`, on `|x| <= 1`.
    pub(crate) erf_small: &'static [f64],
    /// `-log(1 - erf(x))`, on `1 <= x <= erf_one`.
    pub(crate) erf_large: &'static [f64],
}

/// f32.
pub(super) const SINGLE: Format = Format {
    width: 32,
    mantissa: 23,
    bias: 127,
    sqrt_half: 0x3f35_04f3,
    min_normal: f32::MIN_POSITIVE as f64,
    lift: (1_u64 << 25) as f64,
    lift_log2: 25.0,
    integral: (1_u64 << 23) as f64,
    magic: (3_u64 << 22) as f64,
    veltkamp: ((1_u64 << 12) + 1) as f64,
    tiny: 1.0 / (1_u64 << 26) as f64,
    // Half the least denormal, 2^-150, is exp(-103.97); the greatest f32 is exp(88.72).
    exp_range: [-104.0, 89.0],
    expm1_least: -30.0,
    ln_2: [0.693_145_751_953_125, 1.428_606_765_330_187e-6],
    // Error 2^-27 of e^r.
    exp: &[0.5, 0.16666545, 0.041666288, 0.008366427, 0.0013946107],
    // Error 2^-35.2 of the logarithm; a term less would do for `log`, not for `pow`.
    log: &[0.6666666, 0.40000972, 0.28498793, 0.24278857],
    far: 131_072.0,
    half_pi: [1.570_796_370_506_286_6, -4.371_138_828_673_793e-8, -1.715_124_510_005_881_9e-15],
    // Error 2^-27.8 of the sine.
    sin: &[-0.16666654, 0.008332098, -0.00019506023],
    // Absolute error 2^-32.9.
    cos: &[0.041666646, -0.0013887291, 2.4428644e-05],
    tanh_one: 10.0,
    // Error 2^-27.4 of tanh.
    tanh_numerator: &[-0.823_830_962_181_091_3, -0.003_810_776_397_585_869],
    tanh_denominator: &[2.471_494_674_682_617, 1.0],
    erf_one: 4.0,
    // Error 2^-29.4 of erf.
    erf_small: &[0.12837917, -0.37612626, 0.11283579, -0.026853347, 0.005187162, -0.0007997853, 7.806904e-05],
    // Absolute error 2^-29.8 of erf.
    erf_large: &[0.00035372176, 1.12704, 0.6382257, 0.103037395, -0.021805346, 0.0029396187, -0.00018557563],
};

/// f64.
pub(super) const DOUBLE: Format = Format {
    width: 64,
    mantissa: 52,
    bias: 1023,
    sqrt_half: 0x3fe6_a09e_667f_3bcd,
    min_normal: f64::MIN_POSITIVE,
    lift: (1_u64 << 54) as f64,
    lift_log2: 54.0,
    integral: (1_u64 << 52) as f64,
    magic: (3_u64 << 51) as f64,
    veltkamp: ((1_u64 << 27) + 1) as f64,
    tiny: 1.0 / (1_u64 << 55) as f64,
    // Half the least denormal, 2^-1075, is exp(-745.13); the greatest f64 is exp(709.78).
    exp_range: [-746.0, 710.0],
    expm1_least: -60.0,
    ln_2: [0.693_147_180_559_663, 2.823_529_056_303_157_7e-13],
    // Error 2^-56 of e^r.
    exp: &[
        0.500_000_000_000_000_3,
        0.166_666_666_666_666_82,
        0.041_666_666_666_588_824,
        0.008_333_333_333_316_283,
        0.001_388_888_892_852_887_3,
        0.000_198_412_698_996_996_1,
        2.480_150_827_084_097_5e-5,
        2.755_723_068_234_785_2e-6,
        2.762_501_997_011_221e-7,
        2.511_367_541_996_681_8e-8,
    ],
    // Error 2^-59.5 of the logarithm.
    log: &[
        0.666_666_666_666_673_4,
        0.399_999_999_994_165_47,
        0.285_714_287_420_632_1,
        0.222_221_986_003_512_28,
        0.181_835_631_435_179_08,
        0.153_140_763_034_355,
        0.147_957_282_766_839_23,
    ],
    far: 536_870_912.0,
    half_pi: [std::f64::consts::FRAC_PI_2, 6.123_233_995_736_766e-17, -1.497_384_904_859_169_8e-33],
    // Error 2^-57.6 of the sine.
    sin: &[
        -0.166_666_666_666_666_24,
        0.008_333_333_333_320_323,
        -0.000_198_412_698_280_638_12,
        2.755_731_306_796_394_3e-6,
        -2.505_065_803_755_577e-8,
        1.589_088_159_955_292_6e-10,
    ],
    // Absolute error 2^-63.8.
    cos: &[
        0.041_666_666_666_666_58,
        -0.001_388_888_888_887_082_7,
        2.480_158_728_736_452_5e-5,
        -2.755_731_372_647_804_6e-7,
        2.087_563_660_217_046_3e-9,
        -1.135_509_125_076_673_8e-11,
    ],
    tanh_one: 20.0,
    // Error 2^-60.4 of tanh.
    tanh_numerator: &[-1_614.662_577_904_984_1, -99.286_507_337_558_72, -0.964_398_703_506_298_1],
    tanh_denominator: &[4_843.987_733_714_954, 2_235.454_615_498_587, 112.810_361_614_472_8, 1.0],
    erf_one: 6.0,
    // Error 2^-55.9 of erf.
    erf_small: &[
        0.128_379_167_095_512_56,
        -0.376_126_389_031_833_1,
        0.112_837_916_709_352_7,
        -0.026_866_170_641_663_495,
        0.005_223_977_594_151_849_6,
        -0.000_854_832_535_498_775_8,
        0.000_120_552_764_471_258,
        -1.492_438_499_253_335_7e-5,
        1.644_312_205_123_858e-6,
        -1.617_586_700_442_758e-7,
        1.358_051_628_657_679e-8,
        -7.538_369_468_527_134e-10,
    ],
    // Absolute error 2^-55.8 of erf.
    erf_large: &[
        5.132_171_030_795_187e-7,
        1.128_373_991_955_033,
        0.636_644_053_967_252_5,
        0.102_702_293_032_104_9,
        -0.018_988_048_396_676_217,
        -0.000_413_527_424_693_865_9,
        0.001_918_935_683_288_940_5,
        -0.000_773_034_731_833_934_2,
        0.000_136_548_705_354_102_58,
        1.952_664_479_226_478_6e-5,
        -2.253_441_139_641_671_7e-5,
        8.579_266_651_858_482e-6,
        -2.114_917_779_817_733_3e-6,
        3.695_870_569_983_697_5e-7,
        -4.593_610_507_593_007e-8,
        3.890_279_753_143_066e-9,
        -2.020_493_983_336_407_6e-10,
        4.865_499_210_594_48e-12,
    ],
};
