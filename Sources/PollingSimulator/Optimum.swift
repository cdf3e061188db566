/// The optimal schedule for a known distribution: dynamic programming over the age of the last poll.
struct Optimum {
    private let step: Double
    /// The number of steps to wait after a poll at each step.
    private let waits: [Int]

    /// Solves backwards, on a grid of steps, from the age by which nearly all tasks have ended.
    ///
    /// Let `F` be the share that ends by `t` and `A` its integral. Polling at `j` after `i` costs, scaled by the
    /// share still running: `c (1 - F(i)) + A(j) - A(i) - F(i) (j - i)`, plus the cost from `j` on.
    init(of durations: TrueDurations, price: Double, minGap: Double, maxGap: Double) {
        let step = min(max(durations.end / 20_000, 0.02), minGap / 4)
        let count = Int(durations.end / step) + 1
        let ended = (0...count).map { durations.below(Double($0) * step) }
        var summed = [0.0]
        for place in 1...count { summed.append(summed[place - 1] + (ended[place - 1] + ended[place]) / 2 * step) }
        let shortest = max(Int((minGap / step).rounded()), 1)
        let longest = max(Int((maxGap / step).rounded()), shortest)
        var costs = [Double](repeating: 0, count: count + 1)
        var waits = [Int](repeating: shortest, count: count + 1)
        for place in stride(from: count - 1, through: 0, by: -1) {
            var best = Double.infinity
            for next in (place + min(shortest, count - place))...min(place + longest, count) {
                let latency = summed[next] - summed[place] - ended[place] * Double(next - place) * step
                if latency + costs[next] < best {
                    best = latency + costs[next]
                    waits[place] = next - place
                }
                // Later polls add more latency than they can save.
                if latency > best { break }
            }
            costs[place] = best + price * (1 - ended[place])
        }
        self.step = step
        self.waits = waits
    }

    /// The time to wait after a poll at that age.
    func gap(at age: Double) -> Double {
        Double(waits[min(Int((age / step).rounded()), waits.count - 1)]) * step
    }
}
