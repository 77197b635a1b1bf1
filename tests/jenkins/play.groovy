/*
 * Plays Jenkins: runs a declarative Jenkinsfile, the Groovy in it included, by the rules of the Pipeline documentation.
 *
 * What needs a machine is asked of the process that started this one: one JSON object a line on stdout, the answer on
 * stdin, as {"value": ...} or {"failure": kind, "text": why}. The kinds are those that Jenkins tells apart: "agent" (it
 * is lost), "nonresumable" (the controller restarted in a step that it cuts), "interrupted" (an abort) and "error".
 *
 * Arguments: the Jenkinsfile, and JSON: {"env": what Jenkins sets for a build, "params": what the build was given}.
 */
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.codehaus.groovy.control.CompilerConfiguration

class Failure extends RuntimeException {
    final String kind

    Failure(String kind, String text) {
        super(text)
        this.kind = kind
    }
}

/** What all directives share: what Jenkins does not know there is an error, and `params` and `env` can be read. */
class Section {
    final Jenkins jenkins
    final Map<String, Object> given = [:]

    Section(Jenkins jenkins, Closure body) {
        this.jenkins = jenkins
        read(body)
    }

    void read(Closure body) {
        body.delegate = this
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body.call()
    }

    List<String> known() { [] }

    def methodMissing(String name, arguments) {
        if (!(name in known())) {
            throw new IllegalArgumentException("${name} is not known in ${getClass().simpleName.toLowerCase()}")
        }
        given[name] = arguments.size() == 1 ? arguments[0] : arguments.toList()
    }

    def propertyMissing(String name) {
        name in ['none', 'any'] ? name : jenkins."$name"
    }
}

class Pipeline extends Section {
    Pipeline(Jenkins jenkins, Closure body) { super(jenkins, body) }

    List<String> known() { ['agent', 'options', 'parameters', 'environment', 'stages', 'post'] }
}

class Options extends Section {
    Options(Jenkins jenkins, Closure body) { super(jenkins, body) }

    List<String> known() {
        ['buildDiscarder', 'disableConcurrentBuilds', 'durabilityHint', 'retry', 'skipDefaultCheckout', 'timeout',
         'timestamps']
    }

    def agent() { 'agent' }

    def nonresumable() { 'nonresumable' }

    def logRotator(Map settings) { settings }
}

class Parameters extends Section {
    Parameters(Jenkins jenkins, Closure body) { super(jenkins, body) }

    def string(Map one) { given[one.name] = one.defaultValue }
}

class Environment extends Section {
    Environment(Jenkins jenkins, Closure body) { super(jenkins, body) }

    void propertyMissing(String name, value) { given[name] = value.toString() }
}

class Agent extends Section {
    Agent(Jenkins jenkins, Closure body) { super(jenkins, body) }

    List<String> known() { ['label'] }
}

class When extends Section {
    When(Jenkins jenkins, Closure body) { super(jenkins, body) }

    List<String> known() { ['beforeAgent', 'expression'] }
}

class Post extends Section {
    Post(Jenkins jenkins, Closure body) { super(jenkins, body) }

    List<String> known() { ['always'] }
}

class Stages extends Section {
    Stages(Jenkins jenkins, Closure body) { super(jenkins, body) }

    void stage(String name, Closure body) { given[name] = new Stage(jenkins, body) }

    void run() { given.each { name, stage -> jenkins.stage(name) { stage.run() } } }
}

class Stage extends Section {
    Stage(Jenkins jenkins, Closure body) { super(jenkins, body) }

    List<String> known() { ['agent', 'options', 'when', 'steps', 'stages'] }

    /** "The steps in the options directive are invoked before entering the agent or checking any when conditions." */
    void run() {
        def options = given.options ? new Options(jenkins, given.options).given : [:]
        around(options.retry) {
            def when = given.when ? new When(jenkins, given.when).given : [:]
            if (when.beforeAgent && !when.expression()) { return }
            onAgent {
                if (when && !when.beforeAgent && !when.expression()) { return }
                given.stages ? new Stages(jenkins, given.stages).run() : jenkins.inSteps(given.steps)
            }
        }
    }

    private void around(retry, Closure body) { retry ? jenkins.retry(retry, body) : body() }

    private void onAgent(Closure body) {
        given.agent ? jenkins.node(new Agent(jenkins, given.agent).given.label, body) : body()
    }
}

/** What `env` is: reading sees what holds here, writing holds for the rest of the build. */
class Env {
    Jenkins jenkins

    def propertyMissing(String name) { jenkins.environment()[name] }

    def propertyMissing(String name, value) { Jenkins.build.env[name] = value.toString() }
}

/** The steps, and the state of one build. */
abstract class Jenkins extends Script {
    static final answers = new BufferedReader(new InputStreamReader(System.in))
    static Map build

    private final List<Map> environments = [[:]]
    private final List<String> agents = []

    def ask(Map question) {
        println JsonOutput.toJson(question + (agents ? [agent: agents.last()] : [:]))
        def answer = new JsonSlurper().parseText(answers.readLine())
        if (answer.failure) {
            throw new Failure(answer.failure, answer.text)
        }
        answer.value
    }

    void pipeline(Closure body) {
        def all = new Pipeline(this, body).given
        def end = [result: 'SUCCESS', text: '']
        build.params = new Parameters(this, all.parameters).given + build.params
        environments << build.params << new Environment(this, all.environment).given
        new Options(this, all.options)
        [{ new Stages(this, all.stages).run() }, { inSteps(new Post(this, all.post).given.always) }].each { part ->
            try {
                part()
            } catch (Failure failure) {
                if (end.result == 'SUCCESS') {
                    end = [result: failure.kind == 'interrupted' ? 'ABORTED' : 'FAILURE', text: failure.message]
                }
            }
        }
        ask(step: 'end', *: end)
    }

    void inSteps(Closure body) {
        body.delegate = this
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body()
    }

    Map getParams() { build.params }

    Env getEnv() { new Env(jenkins: this) }

    Map environment() { environments.inject(build.env) { all, more -> all + more } }

    def getScm() { 'scm' }

    def agent() { 'agent' }

    def nonresumable() { 'nonresumable' }

    def string(Map credential) { credential }

    void stage(String name, Closure body) {
        ask(step: 'stage', name: name)
        body()
    }

    void script(Closure body) { body() }

    void node(String label, Closure body) {
        agents << ask(step: 'node', label: label)
        try {
            body()
        } finally {
            agents.removeLast()
        }
    }

    void retry(Map how, Closure body) {
        for (int attempt = 1; ; attempt++) {
            try {
                body()
                return
            } catch (Failure failure) {
                if (attempt == how.count || !(failure.kind in how.conditions)) {
                    throw failure
                }
            }
        }
    }

    void withEnv(List<String> more, Closure body) {
        environments << more*.toString()*.split('=', 2).collectEntries { [it[0], it[1]] }
        try {
            body()
        } finally {
            environments.removeLast()
        }
    }

    void withCredentials(List<Map> credentials, Closure body) {
        withEnv(credentials.collect { "${it.variable}=${ask(step: 'credential', name: it.credentialsId)}" }, body)
    }

    void timeout(Map limit, Closure body) { body() }

    def sh(String script) { sh(script: script) }

    def sh(Map how) {
        def status = ask(step: 'sh', script: how.script, env: environment())
        if (how.returnStatus) {
            return status
        }
        if (status != 0) {
            error("script returned exit code ${status}")
        }
    }

    void error(String text) { throw new Failure('error', text) }

    void sleep(Map how) { ask(step: 'sleep', *: how) }

    void checkout(what) { ask(step: 'checkout') }

    void deleteDir() { ask(step: 'deleteDir') }

    void stash(Map what) { ask(step: 'stash', *: what) }

    void unstash(String name) { ask(step: 'unstash', name: name) }

    void archiveArtifacts(Map what) { ask(step: 'archiveArtifacts', *: what) }
}

Jenkins.build = new JsonSlurper().parseText(args[1])
def settings = new CompilerConfiguration(scriptBaseClass: Jenkins.name)
new GroovyShell(getClass().classLoader, new Binding(), settings).evaluate(new File(args[0]))
