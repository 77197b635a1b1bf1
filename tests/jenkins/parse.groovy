/*
 * Parses Groovy files, given as arguments, with Groovy's own parser, and prints for each, as JSON in one line, either
 * {"error": what is wrong} or {"calls": every method call in the order of the source}. A call:
 *
 *   name, line
 *   inside     the calls whose closures it stands in, and the method definition, outermost first
 *   arguments  constants and lists as they are, names as a map; interpolated strings and other code as {"code": text}
 */
import groovy.json.JsonOutput
import org.codehaus.groovy.ast.CodeVisitorSupport
import org.codehaus.groovy.ast.expr.*
import org.codehaus.groovy.control.CompilationFailedException
import org.codehaus.groovy.control.CompilationUnit
import org.codehaus.groovy.control.Phases

class Calls extends CodeVisitorSupport {
    final List found = []
    private List inside = []

    void visitMethodCallExpression(MethodCallExpression call) {
        def parts = arguments(call)
        def (closures, plain) = parts.split { it instanceof ClosureExpression }
        def given = plain.collect { value(it) }
        found << [name: call.methodAsString, line: call.lineNumber, inside: inside, arguments: given]
        plain.each { it.visit(this) }
        within(([call.methodAsString] + plain.findAll { it instanceof ConstantExpression }*.value).join(' ')) {
            closures.each { it.visit(this) }
        }
    }

    void within(String name, Closure visit) {
        def outside = inside
        inside = inside + name
        visit()
        inside = outside
    }

    private static List arguments(MethodCallExpression call) {
        call.arguments instanceof TupleExpression ? call.arguments.expressions : [call.arguments]
    }

    private static Object value(Expression part) {
        switch (part) {
            case ConstantExpression: return part.value
            case ListExpression: return part.expressions.collect { value(it) }
            case MapExpression:
                return part.mapEntryExpressions.collectEntries { [value(it.keyExpression), value(it.valueExpression)] }
            default: return [code: part.text]
        }
    }
}

def calls(String file) {
    def unit = new CompilationUnit()
    unit.addSource(new File(file))
    unit.compile(Phases.CONVERSION)
    def visitor = new Calls()
    unit.AST.modules.each { module ->
        module.statementBlock.visit(visitor)
        module.methods.each { method -> visitor.within("def ${method.name}") { method.code.visit(visitor) } }
    }
    visitor.found
}

args.each { file ->
    try {
        println JsonOutput.toJson([calls: calls(file)])
    } catch (CompilationFailedException broken) {
        println JsonOutput.toJson([error: broken.message])
    }
}
