import ArgumentParser
import Logging
import Sandbox
import ServiceLifecycle
import UnixSignals

/// Runs the simulated provider.
struct SandboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "Run a simulated provider, for development without spending credits.",
        discussion: """
            Uses the provider's real formats and simulates its real faults: lost and broken replies, 429, late records. \
            It calls back if a submit has a callback_url. GET /sandbox/ledger shows what it billed, and GET / the \
            commands that prompts can contain.

            Examples:
              pollux sandbox --port 8090 --speed 20
              pollux sandbox --faults lost-reply=0.1,429=0.05,poll-500=0.02 --seed 7
              XHUOAPI_BASE_URL=http://127.0.0.1:8090/v1 XHUOAPI_TOKEN=sandbox pollux serve

            \(FaultPlan.help)
            """)

    @Option(help: "The address to listen on; 0.0.0.0 for other machines too.")
    var host: String = "127.0.0.1"

    @Option(help: "The port; 0 takes any free one.")
    var port: Int = 8090

    @Option(help: "The random seed; the same seed gives the same durations and faults.")
    var seed: UInt64 = 1

    @Option(help: "How many times faster than real time tasks run.")
    var speed: Double = 1

    @Option(
        help: ArgumentHelp("Which faults, and how often; see above.", valueName: "plan"),
        transform: { text in
            do throws(FaultPlanError) {
                return try FaultPlan(parsing: text)
            } catch {
                throw ValidationError("\(error)")
            }
        })
    var faults: FaultPlan = .none

    @Option(help: ArgumentHelp("Where to write the ledger at the end.", valueName: "path"), completion: .file())
    var ledgerFile: String?

    @Flag(help: "Call back over TLS without checking the receiver's certificate.")
    var callbackInsecure = false

    @Option(help: ArgumentHelp("Enforce a limit of status queries a second.", valueName: "n"))
    var maxPollsPerSecond: Int?

    @Option(help: ArgumentHelp("Enforce a limit of unfinished tasks per service.", valueName: "n"))
    var maxInFlight: Int?

    func validate() throws {
        guard (0...65_535).contains(port) else { throw ValidationError("The port must be from 0 to 65535.") }
        guard speed > 0, speed.isFinite else { throw ValidationError("The speed must be above 0.") }
    }

    func run() async throws {
        var settings = SandboxSettings()
        (settings.host, settings.port) = (host, port)
        settings.seed = seed
        settings.speed = speed
        settings.faults = faults
        settings.ledgerFile = ledgerFile
        settings.verifiesCallbackCertificates = !callbackInsecure
        settings.limits = SandboxLimits(pollsPerSecond: maxPollsPerSecond, concurrentTasksPerService: maxInFlight)
        let logger = Logger(label: "sandbox") { StreamLogHandler.standardError(label: $0) }
        let address = host == "0.0.0.0" ? "127.0.0.1" : host.contains(":") ? "[\(host)]" : host
        let server = SandboxServer(settings: settings, logger: logger) { port in
            // The first line of output is the base URL, for scripts to read.
            try? StandardOutput.write("http://\(address):\(port)/v1\n")
        }
        do {
            try await ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet(logger))
            ).run()
        } catch SandboxError.portUnavailable(let port, let reason) {
            throw RefusedInput(
                message: "Port \(port) of \(host) cannot be opened: \(reason). Name another with --port or --host.")
        }
    }

    private func quiet(_ logger: Logger) -> Logger {
        var quiet = logger
        quiet.logLevel = .error
        return quiet
    }
}
