extension DurationModel {
    /// Encodes the model as one line of text, opaque to the store.
    package func encoded() -> String {
        var numbers: [Double] = [Double(sampleCount), succeeded, failed, advantage]
        for record in [successes, failures] {
            let belief = record.belief
            numbers += [belief.mean, belief.meanWeight, belief.spread, belief.spreadWeight]
            numbers += [record.seen.weight, record.seen.mean, record.seen.squares, record.histogramLead]
            for watch in [record.upward, record.downward] {
                numbers += [watch.sum, watch.run.weight, watch.run.mean, watch.run.squares]
            }
        }
        let bars = [successes, failures].map { record in
            record.histogram.weights.enumerated().filter { $0.element > 0 }.map { "\($0.offset):\($0.element)" }
                .joined(separator: ",")
        }
        return (["1", numbers.map(\.description).joined(separator: ",")] + bars).joined(separator: ";")
    }

    /// Decodes what ``encoded()`` wrote; nil for anything else, including other versions.
    package init?(decoding text: String) {
        let parts = text.split(separator: ";", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "1" else { return nil }
        let numbers = parts[1].split(separator: ",", omittingEmptySubsequences: false).map { Double($0) ?? .nan }
        guard numbers.count == 36, numbers.allSatisfy({ abs($0) <= 1e9 }) else { return nil }
        guard let successes = DurationRecord(decoding: numbers[4..<20], bars: parts[2]),
            let failures = DurationRecord(decoding: numbers[20..<36], bars: parts[3]),
            numbers[0] >= 0, numbers[1] >= 0, numbers[2] >= 0
        else { return nil }
        self.init(successes: successes.belief, failures: failures.belief)
        self.successes = successes
        self.failures = failures
        sampleCount = Int(numbers[0])
        succeeded = numbers[1]
        failed = numbers[2]
        advantage = numbers[3]
        rebuildCurve()
    }
}

extension DurationRecord {
    fileprivate init?(decoding numbers: ArraySlice<Double>, bars: Substring) {
        let n = Array(numbers)
        // Logarithms of seconds. A spread outside these bounds can only come from damaged data.
        guard abs(n[0]) < 30, n[1] > 0, n[2] > 1e-3, n[2] < 30, n[3] > 0, n[4] >= 0, abs(n[5]) < 30, n[6] >= 0,
            n[9] >= 0, n[11] >= 0, n[13] >= 0, n[15] >= 0
        else { return nil }
        self.init(belief: NormalInverseGamma(mean: n[0], meanWeight: n[1], spread: n[2], spreadWeight: n[3]))
        seen = WeightedMoments(weight: n[4], mean: n[5], squares: n[6])
        histogramLead = n[7]
        upward = CUSUMDetector(sum: n[8], run: WeightedMoments(weight: n[9], mean: n[10], squares: n[11]))
        downward = CUSUMDetector(sum: n[12], run: WeightedMoments(weight: n[13], mean: n[14], squares: n[15]))
        for bar in bars.split(separator: ",") {
            let pair = bar.split(separator: ":")
            guard pair.count == 2, let bin = Int(pair[0]), histogram.weights.indices.contains(bin),
                let weight = Double(pair[1]), weight >= 0, weight <= 1e9
            else { return nil }
            histogram.weights[bin] = weight
        }
    }
}
