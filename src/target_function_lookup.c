/*-------------------------------------------------------------------------
 *
 * target_function_lookup.c
 *		Which function a target of type "function" means.
 *
 * When a target is put, its resource is a name as SQL has it, looked up by the
 * search path of the caller; with argument types in parentheses, or without
 * them where only one function of the name can take events; or the ARN of a
 * Lambda function, whose name then is that of the function, letter by letter.
 * What is stored, and looked up for each run, is schema, name and types.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "arn.h"
#include "compat.h"
#include "target_function.h"

#define MAX_ARGS	2

#define ARGUMENTS_HINT \
	"The arguments are (event jsonb), (event jsonb, context jsonb), (events jsonb[]) or (events jsonb[], context jsonb)."

/* The arguments that a function can have. */
typedef struct Signature
{
	const char *text;
	int			nargs;
	Oid			types[MAX_ARGS];
	bool		takes_array;
	bool		takes_context;
} Signature;

static const Signature signatures[] = {
	{"(jsonb)", 1, {JSONBOID}, false, false},
	{"(jsonb, jsonb)", 2, {JSONBOID, JSONBOID}, false, true},
	{"(jsonb[])", 1, {JSONBARRAYOID}, true, false},
	{"(jsonb[], jsonb)", 2, {JSONBARRAYOID, JSONBOID}, true, true},
};

static List *parse_name(const char *name, int length);
static Oid	find_by_name(const char *resource, List *names);
static const char *find_arguments(const char *resource);
static Oid	find_exactly(List *names, const Signature *signature);
static const Signature *signature_of(int nargs, const Oid *types);
static void describe(Oid oid, EbFunction *function);
static void check_usable(Form_pg_proc proc, const char *name);
pg_noreturn static void missing_error(const char *name);
pg_noreturn static void ambiguous_error(const char *resource, List *oids);
static int	rights_detail(Oid role, const char *privilege);
static const char *quoted_role(Oid role);

/* --- as the caller means it ------------------------------------------------ */

void
eb_function_find(const char *resource, EbFunction *function)
{
	char	   *lambda = eb_arn_name(resource, "lambda", "function:");
	Oid			oid;

	if (lambda != NULL)
		oid = find_by_name(lambda, list_make1(makeString(lambda)));
	else if (find_arguments(resource) != NULL)
		oid = DatumGetObjectId(DirectFunctionCall1(regprocedurein,
												   CStringGetDatum(resource)));
	else
		oid = find_by_name(resource, parse_name(resource, strlen(resource)));
	describe(oid, function);
	if (isAnyTempNamespace(function->schema))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("function %s is temporary", function->name),
				 errdetail("It is gone when this session ends.")));
}

/* Parses a name as SQL does, up to length. */
static List *
parse_name(const char *name, int length)
{
	return textToQualifiedNameList(cstring_to_text_with_len(name, length));
}

/*
 * The only function of the name that can take events. Where there is none, but
 * one function of the name, it is that one, for the caller to say what is
 * wrong with it.
 */
static Oid
find_by_name(const char *resource, List *names)
{
	FuncCandidateList all;
	FuncCandidateList other = NULL;
	List	   *fitting = NIL;

	all = FuncnameGetCandidates(names, -1, NIL, false, false, false, true);
	for (FuncCandidateList one = all; one != NULL; one = one->next)
	{
		if (signature_of(one->nargs, one->args) != NULL)
			fitting = lappend_oid(fitting, one->oid);
		else
			other = one;
	}
	if (list_length(fitting) > 1)
		ambiguous_error(resource, fitting);
	if (fitting != NIL)
		return linitial_oid(fitting);
	if (other == NULL)
		missing_error(resource);
	return other->oid;
}

/* The parenthesis that opens the argument types; NULL: none. */
static const char *
find_arguments(const char *resource)
{
	bool		quoted = false;

	for (const char *p = resource; *p != '\0'; p++)
	{
		if (*p == '"')
			quoted = !quoted;
		else if (*p == '(' && !quoted)
			return p;
	}
	return NULL;
}

/* --- as it is stored ------------------------------------------------------- */

void
eb_function_open(const char *name, EbFunction *function)
{
	const char *arguments = find_arguments(name);
	const Signature *signature = NULL;
	List	   *names;
	Oid			oid;

	for (int i = 0; i < lengthof(signatures) && arguments != NULL; i++)
		if (strcmp(signatures[i].text, arguments) == 0)
			signature = &signatures[i];
	if (signature == NULL)
		missing_error(name);
	names = parse_name(name, arguments - name);
	oid = find_exactly(names, signature);
	if (!OidIsValid(oid))
		missing_error(name);
	describe(oid, function);
}

/* The function of that schema, name and signature; InvalidOid: none. */
static Oid
find_exactly(List *names, const Signature *signature)
{
	oidvector  *types = buildoidvector(signature->types, signature->nargs);
	char	   *schema;
	char	   *name;
	Oid			schema_oid;

	DeconstructQualifiedName(names, &schema, &name);
	schema_oid = schema ? get_namespace_oid(schema, true) : InvalidOid;
	if (!OidIsValid(schema_oid))
		return InvalidOid;
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(name), PointerGetDatum(types),
						   ObjectIdGetDatum(schema_oid));
}

/* --- what it is ------------------------------------------------------------ */

static const Signature *
signature_of(int nargs, const Oid *types)
{
	for (int i = 0; i < lengthof(signatures); i++)
		if (signatures[i].nargs == nargs &&
			memcmp(signatures[i].types, types, nargs * sizeof(Oid)) == 0)
			return &signatures[i];
	return NULL;
}

/* Fills in *function, or says why it cannot be a target. */
static void
describe(Oid oid, EbFunction *function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	char	   *with_types = format_procedure(oid);
	const Signature *signature;
	Form_pg_proc proc;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		missing_error(with_types);
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	check_usable(proc, with_types);
	signature = signature_of(proc->pronargs, proc->proargtypes.values);
	if (signature == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function %s cannot take events", with_types),
				 errhint("%s", _(ARGUMENTS_HINT))));

	name = quote_qualified_identifier(get_namespace_name(proc->pronamespace),
									  NameStr(proc->proname));
	function->oid = oid;
	function->schema = proc->pronamespace;
	function->owner = proc->proowner;
	function->name = psprintf("%s%s", name, signature->text);
	function->takes_array = signature->takes_array;
	function->takes_context = signature->takes_context;
	ReleaseSysCache(tuple);
}

/* Is it something that can be called once, with any result? */
static void
check_usable(Form_pg_proc proc, const char *name)
{
	if (proc->prokind == PROKIND_PROCEDURE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is a procedure", name),
				 errdetail("A target is called in a transaction that is not its own, in which it cannot COMMIT."),
				 errhint("Use a function.")));
	if (proc->prokind != PROKIND_FUNCTION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is %s function", name,
						proc->prokind == PROKIND_AGGREGATE ? "an aggregate" :
						"a window")));
	if (proc->proretset)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("function %s returns a set", name),
				 errhint("Use a function that returns one value, or void.")));
	if (get_typtype(proc->prorettype) == TYPTYPE_PSEUDO &&
		proc->prorettype != VOIDOID && proc->prorettype != RECORDOID)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("function %s returns pseudo-type %s", name,
						format_type_be(proc->prorettype)),
				 errhint("Use a function that returns a value, or void.")));
}

static void
missing_error(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("function %s does not exist", name),
			 errhint("%s", _(ARGUMENTS_HINT))));
}

static void
ambiguous_error(const char *resource, List *oids)
{
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&names);
	foreach(lc, oids)
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
						 format_procedure(lfirst_oid(lc)));
	ereport(ERROR,
			(errcode(ERRCODE_AMBIGUOUS_FUNCTION),
			 errmsg("function name \"%s\" is not unique", resource),
			 errdetail("Each of these can take events: %s.", names.data),
			 errhint("Write the types of the arguments, as in \"%s\".",
					 format_procedure(linitial_oid(oids)))));
}

/* --- rights ---------------------------------------------------------------- */

void
eb_function_check_rights(const EbFunction *function, Oid role)
{
	const char *schema = get_namespace_name(function->schema);

	if (eb_schema_aclcheck(function->schema, role, ACL_USAGE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema %s", schema),
				 rights_detail(role, "USAGE"),
				 errhint("GRANT USAGE ON SCHEMA %s TO %s;",
						 quote_identifier(schema), quoted_role(role))));
	if (eb_function_aclcheck(function->oid, role) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", function->name),
				 rights_detail(role, "EXECUTE"),
				 errhint("GRANT EXECUTE ON FUNCTION %s TO %s;",
						 function->name, quoted_role(role))));
}

static int
rights_detail(Oid role, const char *privilege)
{
	return errdetail("Role \"%s\", as which it is called, needs the %s privilege.",
					 GetUserNameFromId(role, false), privilege);
}

static const char *
quoted_role(Oid role)
{
	return quote_identifier(GetUserNameFromId(role, false));
}
