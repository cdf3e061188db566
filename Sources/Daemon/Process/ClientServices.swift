import ServiceLifecycle
import TaskEngine

/// Tells the engine when shutdown begins: nothing more is paid for, and clients' long waits and streams end, so that the
/// socket can close. Last of the services, since a group shuts them down one after another from the end.
struct ShutdownNotifier: Service {
    let service: TaskService
    let streams: EventStreams

    func run() async throws {
        try await gracefulShutdown()
        service.beginShutdown()
        streams.close()
    }
}

/// Breaks connections of streams whose clients take nothing, and keeps silent streams alive.
struct StreamWatch: Service {
    let streams: EventStreams
    let time: any TimeSource

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await time.repeatEachCheck {
                streams.check()
                return true
            }
        }
    }
}
