import PollingPolicy
import PollingSimulator
import TaskModel
import Testing

/// Tests the cost of polling in a short run of the simulator with fixed seeds.
@Suite struct PollingCostTests {
    private let judge = OneTask(seed: 1974, lessons: 60, tasks: 15)

    @Test(arguments: [(0.15, 1.20), (0.25, 1.12), (0.53, 1.10), (0.95, 1.06)])
    func `after ten tasks polling costs little more than the optimum`(cv: Double, bar: Double) {
        let truth = TrueDurations.logNormal(mean: 60, cv: cv)
        let optimum = judge.optimum(on: truth, price: 0.5)
        let pollux = judge.pollux(on: truth, price: 0.5)
        #expect(pollux.cost(price: 0.5) <= bar * optimum.cost(price: 0.5), "\(pollux.cost(price: 0.5))")
        #expect(optimum.cost(price: 0.5) < pollux.cost(price: 0.5))
        #expect(pollux.lateness(quantile: 0.99) <= 60)
    }

    @Test func `learning from polls costs little more than learning from the provider's times`() {
        let truth = TrueDurations.logNormal(mean: 60, cv: 0.25)
        let optimum = judge.optimum(on: truth, price: 0.5).cost(price: 0.5)
        #expect(judge.pollux(on: truth, price: 0.5, source: .polled).cost(price: 0.5) <= 1.12 * optimum)
    }

    @Test func `fast failures are learned`() {
        let judge = OneTask(seed: 1974, lessons: 15, tasks: 40)
        let optimum = judge.optimum(on: .fastFailures, price: 0.5).cost(price: 0.5)
        let pollux = judge.pollux(on: .fastFailures, price: 0.5, samples: 60).cost(price: 0.5)
        #expect(pollux <= 1.12 * optimum, "\(pollux / optimum)")
    }

    @Test(arguments: [20.0, 60, 300])
    func `without samples polling costs at most a tenth more than the better of two fixed gaps`(mean: Double) {
        let judge = ColdStart(seed: 1974, rounds: 60)
        let ratios = [0.15, 0.25, 0.53, 0.95].map { cv in
            let truth = TrueDurations.logNormal(mean: mean, cv: cv)
            let fixed = [3.0, 5].map { judge.fixed($0, on: truth, tasks: 1).cost(price: 0.5) }
            return judge.pollux(on: truth, tasks: 1).cost(price: 0.5) / min(fixed[0], fixed[1])
        }
        #expect(ratios.reduce(0, +) / 4 <= 1.1, "\(ratios)")
    }

    @Test(arguments: [0.15, 0.53, 0.95])
    func `a provider that becomes three times slower is followed within fifty tasks`(cv: Double) {
        let change = RegimeChange(seed: 1974, rounds: 12, cv: cv)
        let after = change.pollux()[4].cost(price: 0.5)
        #expect(after <= 1.12 * change.optimum().cost(price: 0.5))
    }

    @Test(arguments: [0.15, 0.53, 0.95])
    func `fifty tasks in flight cost at most 1.5 calls each, and their ends are seen within a second`(cv: Double) {
        let tally = ManyTasks(seed: 1974, inFlight: 50, tasks: 600).pollux(on: .logNormal(mean: 60, cv: cv))
        #expect(tally.callsPerTask <= 1.5, "\(tally.callsPerTask)")
        #expect(tally.meanLateness < 1, "\(tally.meanLateness)")
    }
}
