import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct MoneyTests {
    private let usd: MoneyUnit

    init() throws { usd = try #require(MoneyUnit("USD")) }

    private func pointer(_ text: String) throws -> JSONPointer { try #require(JSONPointer(text)) }

    @Test(arguments: [
        ("0", 0), ("20", 20_000_000), ("0.04", 40_000), ("00.5", 500_000), ("1e-3", 1_000), ("2.5E2", 250_000_000),
        ("1000000000", 1_000_000_000_000_000),
    ])
    func `a decimal number is read without rounding`(text: String, micros: Int64) {
        #expect(Micros.reading(text) == micros)
    }

    @Test(arguments: ["", "-1", ".5", "1.", "1,5", "0x1", "1e99", "0.0000001", "1000000001", "٣", "1e", "nan", "+1"])
    func `what is no amount is not read`(text: String) { #expect(Micros.reading(text) == nil) }

    @Test func `what is finer than a millionth is rounded up where a record says it`() {
        #expect(Micros.reading("0.0000001", roundingUp: true) == 1)
        #expect(Micros.reading("0.1234561", roundingUp: true) == 123_457)
        #expect(Micros.reading("0.123456", roundingUp: true) == 123_456)
        #expect(Micros.reading("1e-60", roundingUp: true) == 1)
        #expect(Micros.product(40_000, 1_500_000) == 60_000)
        #expect(Micros.product(1, 1) == 1)
        #expect(Micros.product(Micros.most, 2_000_000) == nil)
    }

    @Test(arguments: [(0, "0"), (40_000, "0.04"), (1_500_000, "1.5"), (-2_000_000, "-2"), (1, "0.000001")])
    func `an amount is written as a decimal number`(micros: Int64, text: String) {
        #expect(Micros.text(micros) == text)
    }

    @Test(arguments: ["", "US D", "€", "ABCDEFGHIJKLMNOPQ"])
    func `a unit has few plain characters`(text: String) { #expect(MoneyUnit(text) == nil) }

    @Test func `a price depends on the members that it names`() throws {
        let perImage = Price(
            unit: usd, rows: [.init(each: 40_000, factors: [try pointer("/n")], missingFactor: 1_000_000)])
        #expect(perImage.estimate(of: ["n": 3])?.micros == 120_000)
        #expect(perImage.estimate(of: ["n": "2"])?.micros == 80_000)
        #expect(perImage.estimate(of: try JSONValue(parsing: #"{"n":2.5}"#))?.micros == 100_000)
        #expect(perImage.estimate(of: [:])?.micros == 40_000)
        #expect(perImage.estimate(of: ["n": .null])?.micros == 40_000)
        // A value that is no number must not cost nothing.
        #expect(perImage.estimate(of: ["n": "many"]) == nil)
        #expect(perImage.estimate(of: ["n": -1]) == nil)
        let needed = Price(unit: usd, rows: [.init(each: 40_000, factors: [try pointer("/seconds")])])
        #expect(needed.estimate(of: [:]) == nil)
    }

    @Test func `the first row whose conditions hold decides, and none means unpriced`() throws {
        var large = Price.Row(each: 500_000)
        large.conditions = [.init(try pointer("/model"), is: "v4"), .init(try pointer("/hd"), is: "true")]
        var small = Price.Row(each: 100_000)
        small.conditions = [.init(try pointer("/model"), is: "v4")]
        let price = Price(unit: usd, rows: [large, small])
        #expect(price.estimate(of: ["model": "v4", "hd": true])?.micros == 500_000)
        #expect(price.estimate(of: ["model": "v4"])?.micros == 100_000)
        #expect(price.estimate(of: ["model": "v3"]) == nil)
        #expect(price.dependsOnRequest)
        #expect(!Price(unit: usd, rows: [.init(each: 1)]).dependsOnRequest)
    }

    @Test func `a record tells what its task has cost`() throws {
        let cost = RecordedCost(at: try pointer("/usage/seconds"), times: 725)
        #expect(cost.cost(in: try JSONValue(parsing: #"{"usage":{"seconds":2.5}}"#)) == 1_813)
        #expect(cost.cost(in: ["usage": ["seconds": "10"]]) == 7_250)
        #expect(cost.cost(in: [:]) == nil)
    }

    // MARK: Budgets

    private func budget(_ period: Budget.Period = .day, zone: String = "UTC") -> Budget {
        Budget(name: "b", limit: 1, unit: usd, period: period, timeZone: zone)
    }

    private func spender(_ endpoint: String = "suno/audios", labels: [String: String] = [:]) throws -> Spender {
        Spender(
            provider: "xhuoapi", account: "first", endpoint: try #require(EndpointName(endpoint)), labels: labels)
    }

    @Test func `a period begins at midnight of its time zone, also where a day has 23 hours`() throws {
        let time = try #require(Timestamp(rfc3339: "2026-03-29T12:00:00Z"))
        let berlin = budget(zone: "Europe/Berlin").period(at: time)
        #expect(berlin.start.rfc3339 == "2026-03-28T23:00:00.000Z")
        #expect(berlin.end?.rfc3339 == "2026-03-29T22:00:00.000Z")
        #expect(budget().period(at: time).start.rfc3339 == "2026-03-29T00:00:00.000Z")
        #expect(budget(.month, zone: "Asia/Kolkata").period(at: time).start.rfc3339 == "2026-02-28T18:30:00.000Z")
        #expect(budget(.total).period(at: time).end == nil)
        #expect(Budget.timeZone(named: "Europe/Atlantis") == nil)
    }

    @Test func `a scope names what counts, and a label without a value divides the limit`() throws {
        var budget = budget()
        let web = try spender(labels: ["project": "web"])
        #expect(budget.share(of: web) == "")
        budget.scope.endpoint = "suno/*"
        #expect(budget.share(of: web) == "")
        #expect(budget.share(of: try spender("flux/images")) == nil)
        budget.scope.label = "project"
        #expect(budget.share(of: web) == "web")
        #expect(budget.share(of: try spender()) == nil)
        budget.scope.labelValue = "app"
        #expect(budget.share(of: web) == nil)
        budget.scope.labelValue = "web"
        #expect(budget.share(of: web) == "")
        budget.scope.account = "second"
        #expect(budget.share(of: web) == nil)
        budget.scope.account = nil
        budget.scope.provider = "fal"
        #expect(budget.share(of: web) == nil)
    }
}
