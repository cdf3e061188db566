import ProviderCatalog
import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import TaskEngine

@Suite struct LeaseKeeperTests {
    @Test func `no work starts under a lease while another caller asks for it`() async throws {
        let directory = try TemporaryDirectory()
        let clock = ManualTimeSource()
        let sqlite = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let driver = ClockedDriver(sqlite) { clock.now() }
        let stores = (1...2).map { number in
            TaskStore(driver, holder: LeaseHolder(name: "process \(number)", token: LeaseToken(UInt128(number))))
        }
        let keeper = LeaseKeeper(stores[0], time: clock)
        let name = LeaseName.retention
        for _ in 1...40 {
            _ = try await stores[1].acquire([name], at: clock.now())
            #expect(try await keeper.acquire(name, at: clock.now()) != nil)
            clock.advance(by: .seconds(10))
            _ = try await stores[1].acquire([name], at: clock.now())
            // As far as the keeper knows it has expired, and all of these ask.
            clock.advance(by: .seconds(6))
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 1...8 { group.addTask { try await keeper.acquire(name, at: clock.now()) == nil } }
                for try await mayStart in group { #expect(!mayStart) }
            }
        }
        try sqlite.close()
    }

    @Test func `a permit does not outlive its lease, although the process has the lease again`() async throws {
        let directory = try TemporaryDirectory()
        let clock = ManualTimeSource()
        let sqlite = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let store = TaskStore(ClockedDriver(sqlite) { clock.now() })
        let keeper = LeaseKeeper(store, time: clock)
        let name = LeaseName(processOf: store.holder.token)
        #expect(try await keeper.acquire(name, at: clock.now()) == nil)
        let permit = keeper.permit(under: name)
        clock.advance(by: .seconds(6))
        _ = try await keeper.renew(at: clock.now())
        #expect(throws: Never.self) { try permit.check() }
        // The process stands still. Then a submission acquires the lease, of which the keeper does not hear.
        clock.advance(by: .seconds(20))
        _ = try await store.acquire([name], at: clock.now())
        _ = try await keeper.renew(at: clock.now())
        #expect(throws: UpstreamTransportError.self) { try permit.check() }
        #expect(throws: Never.self) { try keeper.permit(under: name).check() }
        try sqlite.close()
    }
}
