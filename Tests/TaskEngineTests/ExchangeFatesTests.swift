import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import TaskEngine

@Suite struct ExchangeFatesTests {
    private let now = ManualTimeSource.start

    private func delivered(_ number: Int, at time: Timestamp) -> (task: TaskID, fate: ExchangeFate) {
        let fate = ExchangeFate(mark: Int64(number), contentKey: [], fate: .delivered, at: time)
        return (task: TrackedTask.task(number).id, fate: fate)
    }

    @Test func `a program that asks here about a task of another process has its reply`() {
        let fates = ExchangeFates()
        fates.watch([delivered(1, at: now)], at: now)
        fates.noteAsked(about: TrackedTask.task(1).id, at: now)
        #expect(fates.unstored.map(\.mark) == [1] && fates.unstored.map(\.fate) == [.received])
    }

    @Test func `replies of other processes that can be claimed no more are forgotten`() {
        let fates = ExchangeFates()
        for second in 0..<40 {
            let time = now + .seconds(second * 10)
            fates.watch((0..<100).map { delivered(second * 100 + $0, at: time) }, at: time)
        }
        let end = now + .seconds(400)
        fates.noteAsked(about: TrackedTask.task(0).id, at: end)
        #expect(fates.unstored.isEmpty)
        fates.noteAsked(about: TrackedTask.task(3_999).id, at: end)
        #expect(fates.unstored.map(\.mark) == [3_999])
    }
}
