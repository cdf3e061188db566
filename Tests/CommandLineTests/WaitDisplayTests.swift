import LocalAPIContract
import Testing
import VerbatimJSON

@testable import pollux

@Suite struct WaitDisplayTests {
    private func line(_ task: TaskDocument, width: Int = 120, frame: Int = 0) -> String {
        WaitDisplay(tasks: [task]).lines(on: .terminal(width: width), frame: frame)[0]
    }

    @Test func `a running task shows its progress, elapsed and remaining time`() {
        var task = TaskDocument.task()
        task.progress = 35.9
        task.eta = TaskDocument.Expectation(p50: noon.ahead(40), p90: noon.ahead(90))
        #expect(line(task) == "⠋ \(task.id)  suno/audios  running 35%, 1m 12s, about 40s left")
    }

    @Test func `after the median a task shows "any moment", after the 90th percentile that it is slow`() {
        var task = TaskDocument.task()
        task.eta = TaskDocument.Expectation(p50: noon.ago(1), p90: noon.ahead(9))
        #expect(line(task).hasSuffix("running, 1m 12s, any moment"))
        task.eta = TaskDocument.Expectation(p50: noon.ago(9), p90: noon.ago(1))
        #expect(line(task).hasSuffix("running, 1m 12s, slower than 90 % of its kind"))
    }

    @Test func `a task slower than 99 % of its kind shows that and the remaining time`() {
        var task = TaskDocument.task()
        task.eta = TaskDocument.Expectation(p50: noon.ahead(65), p90: noon.ahead(90))
        task.slowerThanUsualSince = noon.ago(3)
        #expect(line(task).hasSuffix("running, 1m 12s, slower than 99 % of its kind, about 1m left"))
    }

    @Test func `a queued task shows what it waits for`() {
        var task = TaskDocument.task(state: "queued")
        task.waitingFor = TaskDocument.Reason(code: "no_token", message: "There is no token.")
        #expect(line(task).hasSuffix("queued, 2m 10s, There is no token."))
    }

    @Test func `an ended task shows its outcome and total duration`() {
        #expect(line(.task(state: "succeeded")) == "✓ \(TaskDocument.task().id)  suno/audios  succeeded in 1m 02s")
        var failed = TaskDocument.task(state: "failed")
        failed.error = TaskDocument.Failure(code: "used_up", message: "No credits.")
        #expect(line(failed).hasSuffix("failed in 1m 02s, used_up: No credits."))
        #expect(line(failed).hasPrefix("✗"))
        #expect(line(.task(state: "uncertain")).hasPrefix("?"))
    }

    @Test func `the spinner changes with each frame and repeats`() {
        #expect(line(.task(), frame: 0).first != line(.task(), frame: 1).first)
        #expect(line(.task(), frame: 0) == line(.task(), frame: 10))
    }

    @Test(arguments: 1...140)
    func `no line is wider than the terminal`(width: Int) {
        var task = TaskDocument.task(state: "failed", endpoint: "midjourney/imagine")
        task.error = TaskDocument.Failure(
            code: "bad", message: "雨 and \u{1b}[2J more, at length, and still more of it.")
        let few = WaitDisplay(tasks: [task, .task(2)]).lines(on: .terminal(width: width), frame: 3)
        let many = WaitDisplay(tasks: (0..<9).map { TaskDocument.task($0) }).lines(
            on: .terminal(width: width), frame: 3)
        #expect(few.count >= 2 && !many.isEmpty)
        for line in few + many {
            // Below 18 columns nothing is left to cut.
            #expect(line.columns <= max(width, 18))
            #expect(!line.contains("\u{1b}"))
        }
    }

    @Test func `many tasks make one summary`() {
        var tasks = (0..<9).map { TaskDocument.task($0, state: $0 < 6 ? "succeeded" : "running") }
        tasks[0].state = "failed"
        tasks[8].eta = TaskDocument.Expectation(p50: noon.ahead(30), p90: noon.ahead(90))
        let lines = WaitDisplay(tasks: tasks).lines(on: .terminal(width: 120), frame: 0)
        #expect(lines == ["⠋ 6 of 9 ended: 1 failed, 5 succeeded, 3 running; the oldest for 1m 12s; about 30s left"])
    }

    @Test func `in a pipe a line is printed only when a task changes`() {
        var task = TaskDocument.task()
        task.progress = 35.2
        let before = WaitDisplay.plainLine(for: task)
        task.progress = 35.8
        task.polls += 1
        #expect(WaitDisplay.plainLine(for: task) == before)
        #expect(before == "\(task.id) running 35%")
        task.progress = 36
        #expect(WaitDisplay.plainLine(for: task) != before)
    }
}

@Suite struct WaitOutcomeTests {
    @Test func `a task that has not ended decides the exit code before one that failed`() {
        #expect(WaitOutcome.status(of: [.task(state: "succeeded")]) == .done)
        #expect(WaitOutcome.status(of: [.task(state: "succeeded"), .task(state: "cancelled")]) == .unsuccessful)
        #expect(WaitOutcome.status(of: [.task(state: "failed"), .task(state: "running")]) == .timedOut)
        #expect(WaitOutcome.status(of: [.task(state: "uncertain")]) == .timedOut)
    }

    @Test func `results are printed below their task`() {
        var task = TaskDocument.task(state: "succeeded")
        task.results = [.init(kind: "url", pointer: "/data/0/audio_url", value: "https://x/a.mp3")]
        #expect(
            WaitOutcome.lines(for: [task], on: .plain(now: noon)) == ["\(task.id)  succeeded", "  https://x/a.mp3"])
    }
}
