import Foundation
import FuzzTargets
import Randomness
import Testing

@Suite struct FuzzTests {
    /// The stored inputs: former findings, and valid inputs to start from.
    static func corpus(of target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        let folder = try #require(
            Bundle.module.url(forResource: "Corpus", withExtension: nil)?.appending(path: target.rawValue))
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .sorted { $0.path < $1.path }.map { ($0.lastPathComponent, [UInt8](try Data(contentsOf: $0))) }
    }

    @Test(arguments: FuzzTarget.allCases)
    func `every kept input is read without a broken invariant`(target: FuzzTarget) throws {
        let corpus = try Self.corpus(of: target)
        #expect(corpus.count >= 3)
        for input in corpus { target.run(input.bytes) }
    }

    @Test(arguments: FuzzTarget.allCases)
    func `mutations of the kept inputs are read without a broken invariant`(target: FuzzTarget) throws {
        let seed =
            ProcessInfo.processInfo.environment["POLLUX_FUZZ_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...99_999)
        print("Mutating for \(target.rawValue), seed \(seed)")
        let corpus = try Self.corpus(of: target).map(\.bytes)
        var mutator = Mutator(seed: seed, corpus: corpus)
        for _ in 0..<(target == .definition ? 1_000 : 10_000) { target.run(mutator.next()) }
    }
}

/// Makes new inputs from stored ones by cuts, splices, repeats, bit flips and inserted special words.
struct Mutator {
    private var random: SeededRandom
    private let corpus: [[UInt8]]

    private static let words = [
        "null", "true", "1e999", "-0", "\"\"", "{}", "[]", "[[[[[[[[", "\u{0}", "\\ud800", "\\u0000",
        "18446744073709551616",
        "0.1e-400", "\"success\":true", "\"state\":\"finished\"", "\"error\":{}", "*", "/~1~0", "&a [*a]", "<<: *a",
        "- ", ": ",
        "\r\n", "\t", "é", "\u{202e}", "c", "2026-02-30T25:61:61Z",
    ].map { Array($0.utf8) }

    init(seed: UInt64, corpus: [[UInt8]]) {
        random = SeededRandom(seed: seed)
        self.corpus = corpus
    }

    mutating func next() -> [UInt8] {
        var input = corpus.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &random) { input = mutated(input) }
        // Longer inputs find nothing new and are slow in a debug build.
        return Array(input.prefix(20_000))
    }

    private mutating func mutated(_ input: [UInt8]) -> [UInt8] {
        let from = Int.random(in: 0...input.count, using: &random)
        let to = min(input.count, from + Int.random(in: 0...64, using: &random))
        let (head, part, tail) = (input[..<from], input[from..<to], input[to...])
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return Array(head + tail)
        case 1: return Array(head + part + part + tail)
        case 2: return Array(head + (Self.words.randomElement(using: &random) ?? []) + tail)
        case 3: return Array(head + part.map { _ in UInt8.random(in: 0...255, using: &random) } + tail)
        case 4:
            let other = corpus.randomElement(using: &random) ?? []
            return Array(head + other.suffix(Int.random(in: 0...other.count, using: &random)))
        default: return Array(head + part.map { $0 ^ (1 << UInt8.random(in: 0..<8, using: &random)) } + tail)
        }
    }
}
