import Daemon
import Synchronization
import TaskModel
import Testing

@Suite struct SystemTimeSourceTests {
    private let time = SystemTimeSource()

    @Test(.timeLimit(.minutes(5)))
    func `a sleep lasts until its time`() async {
        let before = time.elapsed()
        await time.sleep(until: time.now() + .milliseconds(50))
        #expect(time.elapsed() - before >= .milliseconds(49))
    }

    @Test(.timeLimit(.minutes(5)))
    func `a sleep until a past time ends at once`() async {
        await time.sleep(until: time.now() - .seconds(3_600))
    }

    @Test(.timeLimit(.minutes(5)), arguments: [false, true])
    func `a sleep ends when its task is cancelled`(beforeItBegins: Bool) async {
        let time = time
        await withTaskGroup(of: Void.self) { group in
            let (starts, start) = AsyncStream.makeStream(of: Void.self)
            if beforeItBegins { group.cancelAll() }
            group.addTask {
                start.yield()
                await time.sleep(until: time.now() + .seconds(1_000_000_000))
            }
            for await _ in starts { break }
            group.cancelAll()
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `of many sleeps none ends before its time`() async {
        let (time, start) = (time, time.now())
        await withTaskGroup(of: (due: Timestamp, ended: Timestamp).self) { group in
            for number in [3, 1, 2] {
                group.addTask {
                    let due = start + .milliseconds(100 * number)
                    await time.sleep(until: due)
                    return (due, time.now())
                }
            }
            for await sleep in group { #expect(sleep.ended >= sleep.due) }
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a check runs at once, then together with other checks, until it ends itself`() async {
        let time = time
        await withTaskGroup(of: [Duration].self) { group in
            for _ in 0..<2 {
                group.addTask {
                    let moments = Moments()
                    await time.repeatEachCheck { moments.add(time.elapsed()) < 2 }
                    return moments.all
                }
            }
            var found: [[Duration]] = []
            for await moments in group { found.append(moments) }
            #expect(found.map(\.count) == [2, 2])
            #expect(abs((found[0][1] - found[1][1]).inSeconds) < 0.5)
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `checks end when their task is cancelled`() async {
        let (time, moments) = (time, Moments())
        let (runs, run) = AsyncStream.makeStream(of: Void.self)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await time.repeatEachCheck {
                    _ = moments.add(time.elapsed())
                    run.yield()
                    return true
                }
            }
            for await _ in runs { break }
            group.cancelAll()
        }
        // The end of the group proves it. A second check may have run before the cancellation.
        #expect((1...2).contains(moments.all.count))
    }
}

/// The times of the checks.
private final class Moments: Sendable {
    private let moments = Mutex<[Duration]>([])

    var all: [Duration] { moments.withLock(\.self) }

    /// Adds a time and returns the number of times.
    func add(_ moment: Duration) -> Int {
        moments.withLock {
            $0.append(moment)
            return $0.count
        }
    }
}
