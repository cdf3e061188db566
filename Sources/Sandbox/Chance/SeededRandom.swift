import Foundation

/// A deterministic random generator: the same seed, stream and number give the same draws.
///
/// Each decision has its own stream. Changing one fault's probability does not change how long tasks take. The
/// generator is SplitMix64 (Steele, Lea, Flood 2014).
struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64, stream: String, number: Int = 0) {
        // FNV-1a over the name. `Hasher` differs between runs.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in stream.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        state = hash ^ (seed &* 0xD6E8_FEB8_6659_FD93)
        state = next() ^ UInt64(bitPattern: Int64(number))
        state = next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number in [0, 1).
    mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A standard normal draw, clamped to three deviations so that no task runs forever.
    mutating func deviate() -> Double {
        let radius = (-2 * log(1 - fraction())).squareRoot()
        return min(3, max(-3, radius * cos(2 * .pi * fraction())))
    }

    /// A version 4 UUID in lower case, as the provider writes it.
    mutating func uuid() -> String {
        var digits = hexDigits(count: 32)
        digits[12] = UInt8(ascii: "4")
        digits[16] = [UInt8(ascii: "8"), UInt8(ascii: "9"), UInt8(ascii: "a"), UInt8(ascii: "b")][Int(next() % 4)]
        for place in [20, 16, 12, 8] { digits.insert(UInt8(ascii: "-"), at: place) }
        return String(decoding: digits, as: UTF8.self)
    }

    mutating func hex(count: Int) -> String { String(decoding: hexDigits(count: count), as: UTF8.self) }

    /// Decimal digits without zeros, so that no number starts with a zero.
    mutating func digits(count: Int) -> String {
        String(decoding: (0..<count).map { _ in UInt8(ascii: "1") + UInt8(next() % 9) }, as: UTF8.self)
    }

    private mutating func hexDigits(count: Int) -> [UInt8] {
        let alphabet = Array("0123456789abcdef".utf8)
        var digits: [UInt8] = []
        var bits: UInt64 = 0
        for place in 0..<count {
            if place % 16 == 0 { bits = next() }
            digits.append(alphabet[Int(bits & 0xF)])
            bits >>= 4
        }
        return digits
    }
}
