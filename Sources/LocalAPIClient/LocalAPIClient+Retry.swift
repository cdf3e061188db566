package import LocalAPIContract
package import VerbatimJSON

extension LocalAPIClient {
    /// Asks again until the task has ended or the clock passes the deadline, and tells of every answer.
    ///
    /// Each question lasts at most `step`, no more than 60 s. A daemon that was there and goes away (killed, restarted,
    /// upgraded) is waited for up to ``patience``; only after that does its absence end the wait. The last answer comes
    /// back: look at its state to know whether the task has ended.
    package func waitForEnd(
        of id: String, until deadline: ContinuousClock.Instant? = nil, step: Duration = .seconds(60),
        onAnswer: (Answer<TaskDocument>) -> Void = { _ in }
    ) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        while true {
            let asked = ContinuousClock.now
            let left = deadline.map { max(.zero, ContinuousClock.now.duration(to: $0)) } ?? step
            // Rounded up, so that the last second is not spent asking without waiting.
            let wait = min(step, .seconds(60), .seconds(left.components.seconds + (left > .zero ? 1 : 0)))
            let answer = try await retryingWhileAway(until: deadline) { () async throws(LocalAPIClientError) in
                try await task(id, wait: wait)
            }
            onAnswer(answer)
            if answer.document.hasEnded { return answer }
            if let deadline, ContinuousClock.now >= deadline { return answer }
            // The daemon may answer at once, as when it stops.
            if let pause = Self.pause(since: asked, until: deadline, now: .now) {
                do { try await Task.sleep(for: pause) } catch { throw .cancelled }
            }
        }
    }

    /// The least time from one question about a task to the next.
    static let leastGap = Duration.seconds(1)

    /// How long to pause before the next question, where the last one was asked at `asked`; nil for not at all.
    static func pause(
        since asked: ContinuousClock.Instant, until deadline: ContinuousClock.Instant?, now: ContinuousClock.Instant
    ) -> Duration? {
        let next = min(asked + leastGap, deadline ?? asked + leastGap)
        return next > now ? now.duration(to: next) : nil
    }

    /// Hands in a task that has an idempotency key, again if the daemon goes away before it answers.
    ///
    /// The key makes that safe: a submission that had arrived is answered with the task that it made.
    package func submitOnce(_ document: SubmitDocument) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        precondition(document.idempotencyKey != nil, "Only a keyed submission may be repeated.")
        do {
            return try await submit(document)
        } catch .interrupted {
            return try await retryingWhileAway { () async throws(LocalAPIClientError) in try await submit(document) }
        } catch {
            throw error
        }
    }

    /// Hands in tasks that have idempotency keys, in one request; what was not answered when the daemon went away is sent
    /// again once it is back.
    ///
    /// A daemon that was never there is an error at once, unless `wasThere` says that it answered before.
    package func submitAll(
        _ documents: [SubmitDocument], wasThere: Bool = false, onAnswer: (BatchLine, JSONValue) throws -> Void
    ) async throws {
        precondition(documents.allSatisfy { $0.idempotencyKey != nil }, "Only keyed submissions may be repeated.")
        var rest = documents[...]
        var mayBeAway = wasThere
        var end = ContinuousClock.now + patience
        while !rest.isEmpty {
            do {
                try await submit(rest) { answer, json in
                    if case .problem(let problem) = answer, problem.code == ProblemCode.notReady {
                        throw LocalAPIClientError.problem(problem)
                    }
                    rest.removeFirst()
                    end = ContinuousClock.now + patience
                    try onAnswer(answer, json)
                }
            } catch let error as LocalAPIClientError {
                if case .interrupted = error { mayBeAway = true }
                guard mayBeAway, error.isDaemonAway, ContinuousClock.now < end else { throw error }
                do { try await Task.sleep(for: .milliseconds(200)) } catch { throw LocalAPIClientError.cancelled }
            }
        }
    }

    /// Repeats a question that is safe to repeat while the daemon is away or busy, with growing pauses; of a second at least
    /// where the daemon has answered.
    package func retryingWhileAway<Value: Sendable>(
        until deadline: ContinuousClock.Instant? = nil, _ ask: () async throws(LocalAPIClientError) -> Value
    ) async throws(LocalAPIClientError) -> Value {
        let end = ContinuousClock.now + patience
        let last = deadline.map { min($0, end) } ?? end
        var pause = Duration.milliseconds(50)
        while true {
            do throws(LocalAPIClientError) {
                return try await ask()
            } catch {
                guard error.isDaemonAway, ContinuousClock.now < last else { throw error }
                if case .problem = error { pause = Self.leastGap }
            }
            do { try await Task.sleep(for: pause) } catch { throw .cancelled }
            pause = min(pause * 2, .seconds(1))
        }
    }
}
