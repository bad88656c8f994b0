# Zipkin 3.5.1 as one jar, from Maven Central. Java 17 runs it.
file=zipkin-server-3.5.1-exec.jar
sha256=7ac633a6832647e71e50012a5e3e91fbc7054414955261724526030faf271d8d

make_file() {
	need java mvn
	mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
		-Dartifact=io.zipkin:zipkin-server:3.5.1:jar:exec -DoutputDirectory=.
}
