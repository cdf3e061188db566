import BoundedMemory
import Testing

@Suite(.timeLimit(.minutes(5))) struct ByteBudgetTests {
    @Test func `no more than the capacity is reserved, and released bytes are available again`() throws {
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

    @Test func `a dropped reservation releases its bytes`() {
        let budget = ByteBudget(capacity: 100)
        do { _ = budget.reserve(100) }
        #expect(budget.used == 0)
    }

    @Test func `a reservation grows up to the capacity and not beyond`() throws {
        let budget = ByteBudget(capacity: 100)
        let growing = try #require(budget.reserve(0))
        #expect(growing.grow(by: 90))
        #expect(!growing.grow(by: 11))
        #expect(budget.used == 90)
        growing.release()
        #expect(budget.used == 0)
    }

    @Test func `the spare bytes are not reserved`() {
        let budget = ByteBudget(capacity: 64)
        var held: [ByteBudget.Reservation] = []
        while let next = budget.reserve(1, leaving: 16) { held.append(next) }
        #expect(held.count == 48)
        #expect(budget.reserve(16) != nil)
    }

    @Test func `waiters are served in order, and bytes for the first one are not given to others`() async throws {
        let budget = ByteBudget(capacity: 100)
        let all = try #require(budget.reserve(80))
        async let large = budget.reserve(60, onceFree: 60)
        await untilWaiting(on: budget)
        // 20 bytes are free but belong to the first waiter.
        #expect(budget.reserve(1) == nil)
        all.release()
        let got = try await large
        #expect(budget.used == 60)
        #expect(budget.reserve(40) != nil)
        got.release()
    }

    @Test func `a reservation larger than the budget succeeds alone while the others wait`() async throws {
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

    @Test func `a cancelled wait leaves the queue`() async throws {
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

    /// Returns once a task waits. Then nothing else can be reserved.
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
