import BoundedMemory
import Testing

@Suite(.timeLimit(.minutes(1))) struct ByteBudgetTests {
    @Test func `no more is given than there is, and what is released may be given again`() throws {
        let budget = ByteBudget(capacity: 100)
        let first = try #require(budget.reserve(60))
        #expect(budget.reserve(41) == nil)
        let second = try #require(budget.reserve(40))
        #expect(budget.used == 100)
        first.release()
        first.release()
        #expect(budget.used == 40)
        #expect(budget.reserve(60) != nil)
        withExtendedLifetime(second) {}
    }

    @Test func `a reservation that is forgotten gives its room back`() {
        let budget = ByteBudget(capacity: 100)
        do { _ = budget.reserve(100) }
        #expect(budget.used == 0)
    }

    @Test func `a reservation grows while there is room, and not beyond`() throws {
        let budget = ByteBudget(capacity: 100)
        let growing = try #require(budget.reserve(0))
        #expect(growing.grow(by: 90))
        #expect(!growing.grow(by: 11))
        #expect(budget.used == 90)
        growing.release()
        #expect(budget.used == 0)
    }

    @Test func `what must be left to others is not given`() {
        let budget = ByteBudget(capacity: 64)
        var held: [ByteBudget.Reservation] = []
        while let next = budget.reserve(1, leaving: 16) { held.append(next) }
        #expect(held.count == 48)
        #expect(budget.reserve(16) != nil)
    }

    @Test func `those who wait are served in order, and the room of the first is not given away`() async throws {
        let budget = ByteBudget(capacity: 100)
        let all = try #require(budget.reserve(80))
        async let large = budget.reserve(60, onceFree: 60)
        await untilWaiting(on: budget)
        // 20 are free, but they are kept for the one that waits.
        #expect(budget.reserve(1) == nil)
        all.release()
        let got = try await large
        #expect(budget.used == 60)
        #expect(budget.reserve(40) != nil)
        got.release()
    }

    @Test func `one that is larger than the budget gets through alone, and the others wait for it`() async throws {
        let budget = ByteBudget(capacity: 64)
        let small = try #require(budget.reserve(48))
        let large = try await budget.reserve(100, onceFree: 16)
        #expect(budget.used == 148)
        async let next = budget.reserve(20, onceFree: 16)
        await untilWaiting(on: budget)
        small.release()
        #expect(budget.used == 100)
        large.release()
        #expect(try await next.isHeld(in: budget))
    }

    @Test func `a wait that is cancelled gives up its turn`() async throws {
        let budget = ByteBudget(capacity: 100)
        let held = try #require(budget.reserve(50))
        let first = Task { try await budget.reserve(100, onceFree: 100) }
        await untilWaiting(on: budget)
        async let second = budget.reserve(50, onceFree: 50)
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        #expect(try await second.isHeld(in: budget))
        withExtendedLifetime(held) {}
    }

    /// Returns once one waits, which shows in that nothing is given beside it any more.
    private func untilWaiting(on budget: ByteBudget) async {
        while let probe = budget.reserve(1) {
            probe.release()
            await Task.yield()
        }
    }
}

extension ByteBudget.Reservation {
    fileprivate func isHeld(in budget: ByteBudget) -> Bool { budget.used > 0 }
}
