# Computes: integers, fractions, decimals, the numeric tower.
import decimal, fractions, math, numbers, operator
from decimal import Decimal as D

print(math.comb(50, 6), math.isqrt(10**40), math.gcd(84, 36, 24), math.lcm(4, 6), math.factorial(20), math.prod([2, 3, 4]))
print(round(math.erf(0.5), 9), round(math.gamma(4.5), 6), math.fsum([0.1] * 10), math.hypot(3, 4), math.nextafter(1, 2), math.dist((0, 0), (1, 1)))
with decimal.localcontext() as context:
    context.prec = 40
    print(D(2).sqrt(), D("1e5").ln().quantize(D("0.0001"), decimal.ROUND_HALF_EVEN))
try:
    D(1) / D(0)
except decimal.DivisionByZero as error:
    print(type(error).__name__, D("NaN").is_nan(), D("1.10").normalize().as_tuple())
third = fractions.Fraction(1, 3)
print(third + fractions.Fraction("0.25"), third.limit_denominator(2), fractions.Fraction(math.pi).limit_denominator(1000), isinstance(third, numbers.Rational))
print(len(str(3**9000 // 7)), (2**607 - 1) % 1000007, pow(3, -1, 7), operator.index(5), (7).bit_length(), complex(1, 2) ** 2, 0.1 + 0.2)
# role: public
# expect: ending=exited:0  stdout="15890700 100000000000000000000 12 12 2432902008176640000 24\n0.520499878 11.631728 1.0 5.0 1.0000000000000002 1.4142135623730951\n1.414213562373095048801688724209698078570 11.5129\nDivisionByZero True DecimalTuple(sign=0, digits=(1, 1), exponent=-1)\n7/12 1/2 355/113 True\n4294 386015 5 5 3 (-3+4j) 0.30000000000000004\n"  stderr=""
