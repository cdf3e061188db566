import ProviderCatalog
import TaskEngine
import TaskTesting
import VerbatimJSON

extension EngineWorld {
    /// Polls three times, a minute apart, while the provider no longer knows its tasks.
    func pollForgottenTasks(reply: UpstreamReply = .json([:])) async throws {
        provider.play { _ async throws(UpstreamTransportError) in reply }
        for _ in 0..<3 {
            _ = try await engine.scheduler.step()
            time.advance(by: .seconds(61))
        }
    }
}
