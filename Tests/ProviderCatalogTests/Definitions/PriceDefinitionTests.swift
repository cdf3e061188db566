import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct PriceDefinitionTests {
    /// A catalog whose only endpoint has that price.
    private func catalog(_ price: String?) throws -> ProviderCatalog {
        let yaml = """
            provider: own
            base_url: https://own.example
            max_requests_per_second: 5
            endpoints:
              make:
                submit: {path: /make}
                accepted: {id: /id}
                poll: {path: "/{id}", id: /id}
                state: [{at: /s, pending: [p], succeeded: [s], failed: [f]}]
                results: [/url]
            \(price.map { "    price: \($0)" } ?? "")
            """
        return try ProviderCatalog(definitions: [("own.yaml", yaml)])
    }

    private func price(_ text: String) throws -> Price {
        let name = try #require(EndpointName("own:make"))
        return try #require(try catalog(text).endpoint(name)?.price)
    }

    @Test func `every form of a price is read`() throws {
        #expect(try price("{unit: USD, fixed: 0.04}").estimate(of: [:])?.micros == 40_000)
        #expect(try price("{unit: USD, per: /n, each: 0.04, default: 1}").estimate(of: ["n": 2])?.micros == 80_000)
        #expect(try price("{unit: USD, per: [/n, /s], each: 0.5}").estimate(of: ["n": 2, "s": 3])?.micros == 3_000_000)
        let table = try price("{unit: credits, table: [{when: {/model: v4}, fixed: 10}, {per: /n, each: 2}]}")
        #expect(table.estimate(of: ["model": "v4"])?.description == "10 credits")
        #expect(table.estimate(of: ["n": 3])?.micros == 6_000_000)
        let recorded = try price("{unit: USD, from_record: /metrics/s, times: 0.000725, failures: free}")
        #expect(recorded.estimate(of: [:]) == nil)
        #expect(recorded.terms.recorded?.cost(in: ["metrics": ["s": 2]]) == 1_450)
        #expect(recorded.failuresAreFree)
        let published = try price("{unit: USD, fixed: 1, source: https://own.example/prices, as_of: 2026-11-01}")
        #expect(published.source == "https://own.example/prices")
        #expect(published.asOf == "2026-11-01")
    }

    @Test(arguments: [
        ("{fixed: 1}", "unit"), ("{unit: US D, fixed: 1}", "unit"), ("{unit: USD}", "fixed"),
        ("{unit: USD, fixed: -1}", "fixed"), ("{unit: USD, fixed: 0.0000001}", "fixed"),
        ("{unit: USD, fixed: 1, per: /n}", "per"), ("{unit: USD, per: /n}", "each"), ("{unit: USD, each: 1}", "per"),
        ("{unit: USD, per: n, each: 1}", "per"), ("{unit: USD, per: /n/*, each: 1}", "per"),
        ("{unit: USD, table: [{fixed: 1}, {fixed: 2}]}", "table[0]"),
        ("{unit: USD, table: [{when: {model: v4}, fixed: 1}]}", "model"),
        ("{unit: USD, table: [{fixed: 1}], fixed: 2}", "fixed"), ("{unit: USD, fixed: 1, times: 2}", "times"),
        ("{unit: USD, fixed: 1, failures: maybe}", "failures"), ("{unit: USD, fixd: 1}", "fixd"),
    ])
    func `a mistake is named with its field`(text: String, field: String) throws {
        let error = #expect(throws: CatalogError.self) { try catalog(text) }
        let message = try #require(error).message
        #expect(message.contains(field), "\(message)")
        #expect(message.contains("own.yaml, line"), "\(message)")
    }

    @Test func `prices of a file stand in for those of the definition, also after a move`() throws {
        let name = try #require(EndpointName("own:make"))
        let priced = try catalog("{unit: USD, fixed: 1}").priced(
            by: "own:make: {unit: USD, fixed: 2}", file: "/etc/prices.yaml", shownName: "prices.yaml")
        let moved = priced.moved(to: ["own": "http://127.0.0.1:1"])
        for endpoint in [priced.endpoint(name), moved.endpoint(name)] {
            #expect(endpoint?.price?.estimate(of: [:])?.micros == 2_000_000)
            #expect(endpoint?.priceFile == "prices.yaml")
        }
        #expect(try catalog(nil).endpoint(name)?.price == nil)
    }

    @Test func `a price of an endpoint that does not exist is a mistake`() throws {
        let error = #expect(throws: CatalogError.self) {
            try catalog(nil).priced(by: "own:mak: {unit: USD, fixed: 2}", file: "prices.yaml", shownName: "prices.yaml")
        }
        #expect(try #require(error).message.contains("did you mean own:make?"))
    }
}
